//! Names of mappings as people know them.

use numatrace_common::count_key::TouchKind;

use crate::{
    decode::mapping_run::FileId,
    enrich::{process::ProcessIndex, spaces::Spaces},
    fold::{
        area::{Area, Class},
        extents::Extents,
    },
    model::{MappingKind, Name},
};

/// The facts that names of mappings are made from.
pub(super) struct Naming<'a> {
    /// The process.
    pub process: ProcessIndex,
    /// Mappings of all processes.
    pub spaces: &'a Spaces,
    /// Files that it runs code of.
    pub programs: Vec<FileId>,
}

impl Naming<'_> {
    /// Returns the kind and the name of an area; no name when its mapping was gone before anybody
    /// could look. `stack_of` is the name of the thread whose stack it is.
    pub fn name(&self, area: &Area, stack_of: Option<&Name>) -> (MappingKind, Option<Name>) {
        let line = self.spaces.line(self.process, inside(area));
        let named = |text: &str| Some(Name::from(text));
        match area.class {
            Class::Stack => (MappingKind::Stack, named("[stack]")),
            Class::Hugetlb => {
                let path = self.path(area).filter(|path| !path.is_empty());
                let anonymous = |path: &Name| path.as_bytes().starts_with(b"/anon_hugepage");
                let name = path.filter(|path| !anonymous(path));
                (MappingKind::Hugetlb, name.or_else(|| named("[hugetlb]")))
            }
            Class::Anon => {
                if let Some(thread) = stack_of {
                    let mut name = b"[stack:".to_vec();
                    name.extend_from_slice(thread.as_bytes());
                    name.push(b']');
                    return (MappingKind::Stack, Some(Name::from(name)));
                }
                let line = line.filter(|line| line.file.is_none());
                let name = line.map(|line| &line.name).filter(|name| !name.is_empty());
                let heap = area.kind() == Some(TouchKind::Heap)
                    || name.is_some_and(|name| *name.as_bytes() == *b"[heap]");
                if heap {
                    return (MappingKind::Heap, named("[heap]"));
                }
                let zeroed = || {
                    let (file, path) = self.spaces.zeroed_of(self.process, inside(area))?;
                    let name = [path.as_bytes(), b" bss"].concat();
                    self.is_program(file).then(|| Name::from(name))
                };
                let name = name.cloned().or_else(zeroed);
                (MappingKind::Anon, name.or_else(|| named("[anon]")))
            }
            Class::Text | Class::Data | Class::File => self.of_file(area),
            Class::Unknown => (MappingKind::Anon, None),
        }
    }

    fn of_file(&self, area: &Area) -> (MappingKind, Option<Name>) {
        let kind = match area.kind() {
            Some(TouchKind::Shmem) => MappingKind::Shmem,
            // Private copies of the pages of a file.
            Some(TouchKind::Anon) => MappingKind::Anon,
            _ => MappingKind::File,
        };
        let Some(path) = self.path(area) else {
            return (kind, None);
        };
        if let Some(name) = shared_memory(path.as_bytes()) {
            return (MappingKind::Shmem, Some(name));
        }
        let program = area.file.is_some_and(|file| self.is_program(file));
        let part: &[u8] = match area.class {
            _ if !program => b"",
            Class::Text => b" text",
            _ => b" data",
        };
        let mut name = path.as_bytes().to_vec();
        name.extend_from_slice(part);
        (kind, Some(Name::from(name)))
    }

    fn is_program(&self, file: FileId) -> bool {
        self.programs.contains(&file) || self.spaces.runs(self.process, file)
    }

    /// Returns the path of an area's file: as this process has it, else as any process has it.
    fn path(&self, area: &Area) -> Option<Name> {
        let file = area.file?;
        let line = self.spaces.line(self.process, inside(area));
        let here = line.filter(|line| line.file == Some(file));
        here.map(|line| &line.name)
            .or_else(|| self.spaces.file(file))
            // An overlay has one inode in maps and a different one in the kernel: then the address
            // decides.
            .or_else(|| {
                line.filter(|line| line.file.is_some())
                    .map(|line| &line.name)
            })
            .cloned()
    }
}

/// Returns an address in an area that was touched or used.
fn inside(area: &Area) -> u64 {
    let touched = area.touches.values().flat_map(|t| t.pages.iter());
    let used = area.uses.values().flat_map(Extents::iter);
    touched
        .chain(used)
        .map(|extent| extent.low)
        .min()
        .unwrap_or(area.start)
}

/// Returns the name of memory that only looks like a file; `None` for files.
fn shared_memory(path: &[u8]) -> Option<Name> {
    let path = path.strip_suffix(b" (deleted)").unwrap_or(path);
    if let Some(name) = path.strip_prefix(b"/memfd:") {
        return Some(Name::from([b"memfd:", name].concat()));
    }
    if let Some(key) = path.strip_prefix(b"/SYSV") {
        return Some(Name::from([b"[sysv:0x", key, b"]"].concat()));
    }
    if path == b"/dev/zero" {
        return Some(Name::from("[shared anon]"));
    }
    path.starts_with(b"/dev/shm/").then(|| Name::from(path))
}

/// Returns the name of memory whose mapping is not known.
pub(super) fn unknown(area: &Area) -> Name {
    match area.file {
        Some(file) => unnamed_file(file),
        None => Name::from("[unknown]"),
    }
}

/// Returns the name of a file whose path is not known.
pub(super) fn unnamed_file(file: FileId) -> Name {
    Name::from(format!(
        "[file {}:{} inode {}]",
        file.dev >> 20,
        file.dev & 0xf_ffff,
        file.ino
    ))
}
