@ A Linux program that lets a test call the routine: for each 44 bytes from standard input, a state and
@ the first round, it writes the 40 bytes of the permuted state to standard output.

        .syntax unified
        .cpu    cortex-m3
        .thumb
        .text
        .global _start
        .thumb_func
_start:
        sub     sp, sp, #48
1:      mov     r4, #0
2:      mov     r0, #0
        add     r1, sp, r4
        rsb     r2, r4, #44
        mov     r7, #3
        svc     0
        cmp     r0, #0
        ble     3f
        add     r4, r4, r0
        cmp     r4, #44
        bne     2b
        mov     r0, sp
        ldr     r1, [sp, #40]
        bl      permute
        mov     r0, #1
        mov     r1, sp
        mov     r2, #40
        mov     r7, #4
        svc     0
        b       1b
3:      mov     r0, #0
        mov     r7, #1
        svc     0
