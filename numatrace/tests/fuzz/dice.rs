//! Random numbers, and the ways in which bytes and texts are changed.

/// Random numbers (xorshift64*): small, and good enough to change bytes with.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Returns any number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Returns a number below a bound; 0 where that is 0.
    pub fn throw(&mut self, below: usize) -> usize {
        usize::try_from(self.number() >> 33).unwrap() % below.max(1)
    }

    /// Returns one of several things.
    pub fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.throw(of.len())]
    }

    /// Returns a number that programs like to get wrong.
    pub fn corner(&mut self) -> u64 {
        let bit = self.throw(64);
        let near = 1_u64 << bit;
        *self.one(&[
            0,
            1,
            near,
            near.wrapping_sub(1),
            near.wrapping_add(1),
            u64::MAX,
            u64::MAX - 1,
        ])
    }

    /// Changes bytes in one of several ways.
    pub fn shake(&mut self, bytes: &mut Vec<u8>) {
        let at = self.throw(bytes.len());
        let length = 1 + self.throw(40);
        let end = (at + length).min(bytes.len());
        match self.throw(8) {
            0 => bytes[at..end].fill(0xff),
            1 => bytes[at..end].fill(0),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let copy = bytes[at..end].to_vec();
                let to = self.throw(bytes.len());
                bytes.splice(to..to, copy);
            }
            4 => bytes.truncate(at),
            5 => {
                let value = *self.one(&[0x80, 0x7f, 1, 0xfe]);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = value;
                }
            }
            6 => {
                let word = self.corner().to_le_bytes();
                let size = *self.one(&[2, 4, 8]);
                for (byte, new) in bytes.iter_mut().skip(at).zip(&word[..size]) {
                    *byte = *new;
                }
            }
            _ => {
                let bit = self.throw(8);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << bit;
                }
            }
        }
    }

    /// Changes a text that has words, numbers and lines; what comes of it may be no text.
    pub fn shake_text(&mut self, bytes: &mut Vec<u8>) {
        let at = self.throw(bytes.len());
        let word = match self.throw(6) {
            0 => self.corner().to_string().into_bytes(),
            1 => format!("-{}", self.corner()).into_bytes(),
            2 => b"\xff\x00\x1b[2J\xe2\x80\xae".to_vec(),
            3 => self
                .one(&[&b"\n"[..], b" ", b":", b"-", b",", b"=", b"N0=", b"0x"])
                .to_vec(),
            4 => {
                let length = 1 << self.throw(14);
                vec![*self.one(b"x9 \n/"); length]
            }
            _ => return self.shake(bytes),
        };
        // In place of the number or the word that is there.
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric();
        let rest = bytes.get(at..).unwrap_or_default();
        let length = rest.iter().take_while(|byte| is_word(byte)).count();
        bytes.splice(at..at + length, word);
    }
}
