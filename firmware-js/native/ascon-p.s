@ Ascon-p (SP 800-232 section 3) for Thumb-2, Cortex-M3 and later.
@
@ void permute(int *state, int first): ten words, low and high halves in turn, and the first round of
@ twelve. Position-independent, no data. 40 bytes of stack hold the caller's registers.
@
@ Assembled into src/espruino/thumb.ts by `npm run native --workspace firmware-js`, with Debian's
@ binutils-arm-none-eabi.

        .syntax unified
        .cpu    cortex-m3
        .thumb
        .text
        .global permute
        .thumb_func

@ Substitution layer on one half of the five words: a, b and c are spare.
        .macro  substitute x0, x1, x2, x3, x4
        eor     \x0, \x0, \x4
        eor     \x4, \x4, \x3
        eor     \x2, \x2, \x1
        bic     r12, \x0, \x4
        bic     lr, \x1, \x0
        bic     r0, \x2, \x1
        eor     \x0, \x0, r0
        bic     r0, \x3, \x2
        eor     \x1, \x1, r0
        bic     r0, \x4, \x3
        eor     \x2, \x2, r0
        eor     \x3, \x3, r12
        eor     \x4, \x4, lr
        eor     \x1, \x1, \x0
        eor     \x0, \x0, \x4
        eor     \x3, \x3, \x2
        mvn     \x2, \x2
        .endm

@ Linear layer on one word: xored with itself rotated right by m and by n, both below 32.
        .macro  diffuse low, high, m, n
        mov     r12, \low
        mov     lr, \high
        eor     \low, \low, r12, lsr #\m
        eor     \low, \low, lr, lsl #(32 - \m)
        eor     \low, \low, r12, lsr #\n
        eor     \low, \low, lr, lsl #(32 - \n)
        eor     \high, \high, lr, lsr #\m
        eor     \high, \high, r12, lsl #(32 - \m)
        eor     \high, \high, lr, lsr #\n
        eor     \high, \high, r12, lsl #(32 - \n)
        .endm

@ The same for rotations by 32 + m and by n; with `far` by 32 + m and 32 + n.
        .macro  diffuse_across low, high, m, n, far
        mov     r12, \low
        mov     lr, \high
        eor     \low, \low, lr, lsr #\m
        eor     \low, \low, r12, lsl #(32 - \m)
        eor     \high, \high, r12, lsr #\m
        eor     \high, \high, lr, lsl #(32 - \m)
        .if     \far
        eor     \low, \low, lr, lsr #\n
        eor     \low, \low, r12, lsl #(32 - \n)
        eor     \high, \high, r12, lsr #\n
        eor     \high, \high, lr, lsl #(32 - \n)
        .else
        eor     \low, \low, r12, lsr #\n
        eor     \low, \low, lr, lsl #(32 - \n)
        eor     \high, \high, lr, lsr #\n
        eor     \high, \high, r12, lsl #(32 - \n)
        .endif
        .endm

permute:
        push    {r0, r4-r11, lr}
        ldmia   r0, {r2-r11}
        @ The round constant is 0xf0 - 15 * round.
        rsb     r1, r1, r1, lsl #4
        rsb     r1, r1, #0xf0
1:      eor     r6, r6, r1
        substitute r2, r4, r6, r8, r10
        substitute r3, r5, r7, r9, r11
        diffuse r2, r3, 19, 28
        diffuse_across r4, r5, 29, 7, 1
        diffuse r6, r7, 1, 6
        diffuse r8, r9, 10, 17
        diffuse_across r10, r11, 9, 7, 0
        subs    r1, r1, #15
        @ The twelfth constant is 0x4b.
        cmp     r1, #0x3c
        bne     1b
        pop     {r0}
        stmia   r0, {r2-r11}
        pop     {r4-r11, pc}
