/*
 * Guarded calls on x86-64 (System V): see guard.h. What a callee must keep stands below the return address; the guard is the
 * stack pointer under it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "guard_choice.h"
#if defined(__x86_64__) && !defined(GRI_GUARD_PORTABLE)
    .text
    .globl gri_guard_call
    .hidden gri_guard_call
    .type gri_guard_call, @function
gri_guard_call: /* rdi: ctx, rsi: state, rdx: msg, rcx: fn, r8: where to put the guard */
    .cfi_startproc
    pushq %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbp, 0
    pushq %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbx, 0
    pushq %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r12, 0
    pushq %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r13, 0
    pushq %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r14, 0
    pushq %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r15, 0
    subq $8, %rsp /* calls are made with the stack aligned to 16 */
    .cfi_adjust_cfa_offset 8
    movq %rsp, (%r8)
    callq *%rcx
.Lgri_guard_return:
    addq $8, %rsp
    .cfi_adjust_cfa_offset -8
    popq %r15
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r15
    popq %r14
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r14
    popq %r13
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r13
    popq %r12
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r12
    popq %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbx
    popq %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbp
    ret
    .cfi_endproc
    .size gri_guard_call, .-gri_guard_call

    .globl gri_guard_leave
    .hidden gri_guard_leave
    .type gri_guard_leave, @function
gri_guard_leave: /* rdi: the guard, esi: the result */
    movl %esi, %eax
    movq %rdi, %rsp
    jmp .Lgri_guard_return
    .size gri_guard_leave, .-gri_guard_leave
#endif
#if defined(__ELF__)
    .section .note.GNU-stack, "", @progbits
#endif
