/*
 * Switching fibers on AArch64 (AAPCS64): keeps x19-x30 and the low halves of v8-v15.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#if defined(__aarch64__)
    .text
    .globl gri_fiber_swap
    .hidden gri_fiber_swap
    .type gri_fiber_swap, %function
gri_fiber_swap: /* x0: where to save the stack pointer, x1: the one to go on with */
    sub sp, sp, #160
    stp x19, x20, [sp, #0]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #160
    br x30
    .size gri_fiber_swap, .-gri_fiber_swap

    .globl gri_fiber_boot
    .hidden gri_fiber_boot
    .type gri_fiber_boot, %function
gri_fiber_boot:
    mov x0, x19
    mov x29, xzr
    mov x30, xzr
    bl gri_fiber_main
    brk #1
    .size gri_fiber_boot, .-gri_fiber_boot
#endif
#if defined(__ELF__)
    .section .note.GNU-stack, "", %progbits
#endif
