/*
 * Guarded calls on AArch64 (AAPCS64): see guard.h. What a callee must keep, x19-x30 and the low halves of v8-v15, stands where
 * the guard points.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "guard_choice.h"
#if defined(__aarch64__) && !defined(GRI_GUARD_PORTABLE)
    .text
    .globl gri_guard_call
    .hidden gri_guard_call
    .type gri_guard_call, %function
gri_guard_call: /* x0: ctx, x1: state, x2: msg, x3: fn, x4: where to put the guard */
    .cfi_startproc
    stp x29, x30, [sp, #-160]!
    .cfi_def_cfa_offset 160
    .cfi_offset x29, -160
    .cfi_offset x30, -152
    mov x29, sp
    stp x19, x20, [sp, #16]
    .cfi_offset x19, -144
    .cfi_offset x20, -136
    stp x21, x22, [sp, #32]
    .cfi_offset x21, -128
    .cfi_offset x22, -120
    stp x23, x24, [sp, #48]
    .cfi_offset x23, -112
    .cfi_offset x24, -104
    stp x25, x26, [sp, #64]
    .cfi_offset x25, -96
    .cfi_offset x26, -88
    stp x27, x28, [sp, #80]
    .cfi_offset x27, -80
    .cfi_offset x28, -72
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    str x29, [x4]
    blr x3
.Lgri_guard_return:
    ldp x19, x20, [sp, #16]
    ldp x21, x22, [sp, #32]
    ldp x23, x24, [sp, #48]
    ldp x25, x26, [sp, #64]
    ldp x27, x28, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    ldp x29, x30, [sp], #160
    .cfi_def_cfa_offset 0
    .cfi_restore x29
    .cfi_restore x30
    ret
    .cfi_endproc
    .size gri_guard_call, .-gri_guard_call

    .globl gri_guard_leave
    .hidden gri_guard_leave
    .type gri_guard_leave, %function
gri_guard_leave: /* x0: the guard, w1: the result */
    mov sp, x0
    mov w0, w1
    b .Lgri_guard_return
    .size gri_guard_leave, .-gri_guard_leave
#endif
#if defined(__ELF__)
    .section .note.GNU-stack, "", %progbits
#endif
