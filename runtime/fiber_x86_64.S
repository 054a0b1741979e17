/*
 * Switching fibers on x86-64 (System V): keeps the registers a callee must keep, and the floating-point control words.
 * The target is reached by pop and jmp, not ret: the return predictor would be wrong every time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#if defined(__x86_64__)
    .text
    .globl gri_fiber_swap
    .hidden gri_fiber_swap
    .type gri_fiber_swap, @function
gri_fiber_swap: /* rdi: where to save the stack pointer, rsi: the one to go on with */
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    subq $8, %rsp
    stmxcsr (%rsp)
    fnstcw 4(%rsp)
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    ldmxcsr (%rsp)
    fldcw 4(%rsp)
    addq $8, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    popq %rcx
    jmpq *%rcx
    .size gri_fiber_swap, .-gri_fiber_swap

    .globl gri_fiber_boot
    .hidden gri_fiber_boot
    .type gri_fiber_boot, @function
gri_fiber_boot:
    movq %r12, %rdi
    xorl %ebp, %ebp /* backtraces end here */
    callq gri_fiber_main
    ud2
    .size gri_fiber_boot, .-gri_fiber_boot
#endif
#if defined(__ELF__)
    .section .note.GNU-stack, "", @progbits
#endif
