"""What LLVM calls where a processor has no instruction for it: conversions of float16 on x86 without F16C.

By whole numbers, ties to even, as the instructions do it, NaN payloads included.
"""
import struct

NAMES = "__extendhfsf2", "__truncsfhf2"
TEXT = """
define float @__extendhfsf2(half %x) {
  %h = bitcast half %x to i16
  %bits = zext i16 %h to i32
  %signed = and i32 %bits, 32768
  %sign = shl i32 %signed, 16
  %size = and i32 %bits, 32767
  %moved = shl i32 %size, 13                             ; exponent and fraction in their places
  %normal = add i32 %moved, 939524096                    ; the exponent's bias is 127 instead of 15
  %top = add i32 %moved, 1879048192                      ; infinity and NaN keep the largest exponent
  %is_nan = icmp ugt i32 %size, 31744
  %quiet = select i1 %is_nan, i32 4194304, i32 0
  %special = or i32 %top, %quiet
  %exact = uitofp i32 %size to float
  %tiny = fmul float %exact, 0x3E70000000000000          ; a subnormal number counts 2^-24
  %small = bitcast float %tiny to i32
  %is_small = icmp ult i32 %size, 1024
  %is_special = icmp uge i32 %size, 31744
  %finite = select i1 %is_small, i32 %small, i32 %normal
  %chosen = select i1 %is_special, i32 %special, i32 %finite
  %result = or i32 %chosen, %sign
  %y = bitcast i32 %result to float
  ret float %y
}

define half @__truncsfhf2(float %x) {
  %bits = bitcast float %x to i32
  %high = lshr i32 %bits, 16
  %sign = and i32 %high, 32768
  %size = and i32 %bits, 2147483647
  %rebased = sub i32 %size, 939524096                    ; the exponent's bias is 15 instead of 127
  %last = lshr i32 %rebased, 13
  %odd = and i32 %last, 1
  %half = add i32 %rebased, 4095
  %up = add i32 %half, %odd
  %rounded = lshr i32 %up, 13
  %is_large = icmp uge i32 %size, 1199570944             ; 65536 and more; 65520 rounds up to infinity by itself
  %normal = select i1 %is_large, i32 31744, i32 %rounded

  %exponent = lshr i32 %size, 23                         ; below 2^-14: a multiple of 2^-24
  %fraction = and i32 %size, 8388607
  %whole = or i32 %fraction, 8388608
  %far = sub i32 126, %exponent
  %is_far = icmp ugt i32 %far, 25                        ; by 25 all rounds to 0
  %by = select i1 %is_far, i32 25, i32 %far
  %small_last = lshr i32 %whole, %by
  %small_odd = and i32 %small_last, 1
  %before = sub i32 %by, 1
  %middle = shl i32 1, %before
  %below = sub i32 %middle, 1
  %small_half = add i32 %whole, %below
  %small_up = add i32 %small_half, %small_odd
  %small = lshr i32 %small_up, %by
  %is_small = icmp ult i32 %size, 947912704

  %payload = lshr i32 %fraction, 13
  %nan = or i32 %payload, 32256
  %is_nan = icmp ugt i32 %size, 2139095040
  %finite = select i1 %is_small, i32 %small, i32 %normal
  %chosen = select i1 %is_nan, i32 %nan, i32 %finite
  %result = or i32 %chosen, %sign
  %h = trunc i32 %result to i16
  %y = bitcast i16 %h to half
  ret half %y
}
"""


def undefined(image):
    """Names of what an ELF object takes from elsewhere; other formats are not read."""
    if image[:6] != b"\x7fELF\2\1":
        return
    first, size, count = *struct.unpack_from("<Q", image, 0x28), *struct.unpack_from("<HH", image, 0x3A)
    sections = [struct.unpack_from("<IIQQQQII", image, first + k * size) for k in range(count)]
    for _, kind, _, _, start, length, link, _ in sections:
        for at in range(start, start + length, 24) if kind == 2 else ():         # a table of symbols
            name, _, _, section = struct.unpack_from("<IBBH", image, at)
            if name and section == 0:
                place = sections[link][4] + name
                yield image[place:image.index(b"\0", place)].decode()
