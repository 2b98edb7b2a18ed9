//! A great many zeros in a few bytes: RFC 1952 around RFC 1951, written by hand, for one block of
//! fixed codes that repeats its first byte is all that is needed.

/// The longest repetition there is.
const LONGEST: usize = 258;

/// So many zeros, compressed: a little more when it is no multiple of 258 and 1.
pub(crate) fn zeros(least: usize) -> Vec<u8> {
    let repeats = least.div_ceil(LONGEST);
    let length = repeats * LONGEST + 1;
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let mut bits = Bits { out: &mut out, held: 0, count: 0 };
    // The last block, with fixed codes.
    bits.put(0b1, 1);
    bits.put(0b01, 2);
    // The literal 0, whose code is 00110000; codes are written from their first bit.
    bits.code(0b0011_0000, 8);
    for _ in 0..repeats {
        // Length 258 is code 285, 11000101; distance 1 is code 0 of five bits.
        bits.code(0b1100_0101, 8);
        bits.code(0, 5);
    }
    // The end of the block, code 256.
    bits.code(0, 7);
    bits.end();
    out.extend(crc_of_zeros(length).to_le_bytes());
    out.extend(u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    out
}

struct Bits<'o> {
    out: &'o mut Vec<u8>,
    held: u32,
    count: u32,
}

impl Bits<'_> {
    /// The lowest bit first.
    fn put(&mut self, value: u32, count: u32) {
        self.held |= value << self.count;
        self.count += count;
        while self.count >= 8 {
            self.out.push(self.held.to_le_bytes()[0]);
            self.held >>= 8;
            self.count -= 8;
        }
    }

    /// The highest bit first.
    fn code(&mut self, code: u32, count: u32) {
        self.put(code.reverse_bits() >> (32 - count), count);
    }

    fn end(&mut self) {
        if self.count > 0 {
            self.out.push(self.held.to_le_bytes()[0]);
        }
    }
}

fn crc_of_zeros(length: usize) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    let mut table = [0; 256];
    for (entry, byte) in table.iter_mut().zip(0_u32..) {
        *entry = (0..8).fold(byte, |crc, _| step(crc));
    }
    let mut crc = u32::MAX;
    for _ in 0..length {
        crc = (crc >> 8) ^ table[usize::from(crc.to_le_bytes()[0])];
    }
    !crc
}
