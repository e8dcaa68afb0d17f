//! Small BTF blobs made by hand, so that tests know every byte.

/// Builds a blob in this machine's byte order; types get ids from 1 in the order of the calls.
#[derive(Debug, Default)]
pub(in crate::attach) struct BtfBuilder {
    types: Vec<u8>,
    strings: Vec<u8>,
    layout: Vec<u8>,
    next: u32,
}

pub(in crate::attach) const INT: u32 = 1;
pub(in crate::attach) const PTR: u32 = 2;
pub(in crate::attach) const ARRAY: u32 = 3;
pub(in crate::attach) const STRUCT: u32 = 4;
pub(in crate::attach) const UNION: u32 = 5;
pub(in crate::attach) const ENUM: u32 = 6;
pub(in crate::attach) const TYPEDEF: u32 = 8;
pub(in crate::attach) const CONST: u32 = 10;
pub(in crate::attach) const FUNC: u32 = 12;
pub(in crate::attach) const FUNC_PROTO: u32 = 13;
pub(in crate::attach) const VAR: u32 = 14;
pub(in crate::attach) const DATASEC: u32 = 15;
pub(in crate::attach) const FLOAT: u32 = 16;
pub(in crate::attach) const DECL_TAG: u32 = 17;
pub(in crate::attach) const TYPE_TAG: u32 = 18;
pub(in crate::attach) const ENUM64: u32 = 19;
/// Bit 31 of info.
pub(in crate::attach) const FLAG: u32 = 1 << 31;

impl BtfBuilder {
    pub fn new() -> Self {
        Self {
            strings: vec![0],
            next: 1,
            ..Self::default()
        }
    }

    /// Adds a string and returns its offset; the empty string is offset 0.
    pub fn string(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        let offset = u32::try_from(self.strings.len()).unwrap();
        self.strings.extend_from_slice(text.as_bytes());
        self.strings.push(0);
        offset
    }

    /// Adds a record: kind (or'ed with `FLAG`), element count, name, size or type, and the words
    /// that follow.
    pub fn add(
        &mut self,
        kind: u32,
        vlen: u32,
        name: &str,
        size_or_type: u32,
        tail: &[u32],
    ) -> u32 {
        let name = self.string(name);
        let info = (kind & !FLAG) << 24 | (kind & FLAG) | vlen;
        for word in [name, info, size_or_type].iter().chain(tail) {
            self.types.extend_from_slice(&word.to_ne_bytes());
        }
        self.next += 1;
        self.next - 1
    }

    pub fn int(&mut self, name: &str, bytes: u32) -> u32 {
        self.add(INT, 0, name, bytes, &[bytes * 8])
    }

    pub fn ptr(&mut self, to: u32) -> u32 {
        self.add(PTR, 0, "", to, &[])
    }

    pub fn array(&mut self, of: u32, len: u32) -> u32 {
        self.add(ARRAY, 0, "", 0, &[of, of, len])
    }

    /// A struct or union of (name, type, bit offset).
    pub fn aggregate(
        &mut self,
        kind: u32,
        name: &str,
        bytes: u32,
        members: &[(&str, u32, u32)],
    ) -> u32 {
        let tail: Vec<u32> = members
            .iter()
            .flat_map(|(name, ty, bits)| [self.string(name), *ty, *bits])
            .collect();
        self.add(
            kind,
            u32::try_from(members.len()).unwrap(),
            name,
            bytes,
            &tail,
        )
    }

    pub fn func_proto(&mut self, ret: u32, params: &[(&str, u32)]) -> u32 {
        let tail: Vec<u32> = params
            .iter()
            .flat_map(|(name, ty)| [self.string(name), *ty])
            .collect();
        self.add(
            FUNC_PROTO,
            u32::try_from(params.len()).unwrap(),
            "",
            ret,
            &tail,
        )
    }

    pub fn func(&mut self, name: &str, ret: u32, params: &[(&str, u32)]) -> u32 {
        let proto = self.func_proto(ret, params);
        self.add(FUNC, 0, name, proto, &[])
    }

    /// A tracepoint: a typedef of a pointer to a function whose first parameter is `void *`.
    pub fn tracepoint(&mut self, name: &str, params: &[u32]) -> u32 {
        let data = self.ptr(0);
        let params: Vec<_> = [data].iter().chain(params).map(|ty| ("", *ty)).collect();
        let proto = self.func_proto(0, &params);
        let pointer = self.ptr(proto);
        self.add(TYPEDEF, 0, &format!("btf_trace_{name}"), pointer, &[])
    }

    /// Sets the record lengths of the kinds up to `kind`: fixed bytes and bytes per element of the
    /// last one, 0 for those before.
    pub fn layout(&mut self, kind: u8, fixed: u8, each: u8) {
        self.layout = vec![0; usize::from(kind) * 4];
        self.layout.extend_from_slice(&[fixed, each, 0, 0]);
    }

    pub fn build(self) -> Vec<u8> {
        let len = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap();
        let (types, strings) = (len(&self.types), len(&self.strings));
        let mut header = vec![0, types, types, strings];
        if !self.layout.is_empty() {
            header.extend([types + strings, len(&self.layout)]);
        }
        let header_bytes = 8 + 4 * u32::try_from(header.len()).unwrap();
        let mut out = 0xeb9f_u16.to_ne_bytes().to_vec();
        out.extend([1, 0]);
        for word in [header_bytes].iter().chain(&header) {
            out.extend_from_slice(&word.to_ne_bytes());
        }
        out.extend(self.types);
        out.extend(self.strings);
        out.extend(self.layout);
        out
    }
}
