//! Files with the debug information of other files, which a link names.
//!
//! The link is what a hostile file says, so they are looked for below the root of its process, in
//! the folders for them and next to the file, with the same care as the file itself. The reader
//! compares build IDs or the checksum of the link.

use std::{
    ffi::OsStr,
    fs::File,
    os::unix::ffi::OsStrExt,
    path::{Component, Path, PathBuf},
};

use crate::{enrich::target_file, model::Name, reader::Link};

/// Folders of debug information.
const FOLDERS: [&str; 2] = ["/usr/lib/debug", "/lib/debug"];

/// Bytes of a file up to which it is read.
const LARGEST: u64 = 256 << 20;

/// Most folders above a file that are looked into.
const MOST_FOLDERS: usize = 16;

/// Opens the file that a link in the file `of` leads to, and says whether its name led there, or
/// its build ID.
pub fn find(root: &Path, of: &Name, link: &Link) -> Option<(File, bool)> {
    let of = Path::new(OsStr::from_bytes(of.as_bytes()));
    candidates(of, link)
        .into_iter()
        .find_map(|(path, by_name)| {
            let found = target_file::open_in_time(root, &path).ok()?;
            let fits = found.metadata.len() <= LARGEST && path != of;
            fits.then_some((found.file, by_name))
        })
}

/// Returns where the file may be, the likeliest place first.
fn candidates(of: &Path, link: &Link) -> Vec<(PathBuf, bool)> {
    let (name, id) = match link {
        Link::Debug(name, id) => (name, id.as_deref()),
        Link::Shared(path, id) => (path, Some(id.as_str())),
    };
    let mut places = Vec::new();
    // Two digits name the folder.
    if let Some((folder, rest)) = id
        .filter(|id| id.len() >= 16)
        .and_then(|id| id.split_at_checked(2))
    {
        let file = format!(".build-id/{folder}/{rest}.debug");
        places.extend(FOLDERS.map(|at| (Path::new(at).join(&file), false)));
    }
    let name = Path::new(OsStr::from_bytes(name));
    let Some(folder) = of.parent() else {
        return places;
    };
    if let Link::Shared(..) = link {
        // Such a path is relative to the debug information, which lies in one of the folders.
        let beside = FOLDERS.map(|at| {
            let below = folder.strip_prefix("/").unwrap_or(folder);
            plain(&Path::new(at).join(below).join(name))
        });
        places.extend(beside.into_iter().flatten().map(|path| (path, false)));
        places.extend(plain(&folder.join(name)).map(|path| (path, false)));
        return places;
    }
    // A name has no folders: with some it would lead anywhere.
    let mut parts = name.components();
    if !matches!(
        (parts.next(), parts.next()),
        (Some(Component::Normal(_)), None)
    ) {
        return places;
    }
    places.extend(FOLDERS.map(|at| (Path::new(at).join(name), true)));
    places.push((folder.join(name), true));
    places.push((folder.join(".debug").join(name), true));
    let below = folder.strip_prefix("/").unwrap_or(folder);
    for at in FOLDERS {
        let above = below.ancestors().take(MOST_FOLDERS);
        let above = above.filter(|folder| !folder.as_os_str().is_empty());
        places.extend(above.map(|folder| (Path::new(at).join(folder).join(name), true)));
    }
    places
}

/// Returns a path without `..`; `None` where it leads out of the root.
fn plain(path: &Path) -> Option<PathBuf> {
    let mut plain = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(name) => plain.push(name),
            // Above the root there is nothing: `pop` says so.
            Component::ParentDir if plain.pop() => {}
            Component::ParentDir => return None,
            _ => {}
        }
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(link: &Link) -> Vec<String> {
        candidates(Path::new("/opt/app/bin/tool"), link)
            .into_iter()
            .map(|(path, _)| path.display().to_string())
            .collect()
    }

    #[test]
    fn a_name_is_looked_for_in_the_folders_and_next_to_the_file() {
        let link = Link::Debug(b"tool.debug".to_vec(), Some("0123456789abcdef".into()));
        assert_eq!(
            places(&link),
            [
                "/usr/lib/debug/.build-id/01/23456789abcdef.debug",
                "/lib/debug/.build-id/01/23456789abcdef.debug",
                "/usr/lib/debug/tool.debug",
                "/lib/debug/tool.debug",
                "/opt/app/bin/tool.debug",
                "/opt/app/bin/.debug/tool.debug",
                "/usr/lib/debug/opt/app/bin/tool.debug",
                "/usr/lib/debug/opt/app/tool.debug",
                "/usr/lib/debug/opt/tool.debug",
                "/lib/debug/opt/app/bin/tool.debug",
                "/lib/debug/opt/app/tool.debug",
                "/lib/debug/opt/tool.debug",
            ]
        );
    }

    #[test]
    fn a_name_with_folders_leads_nowhere() {
        for name in ["/etc/shadow", "../../../etc/shadow", "a/b", "..", ".", ""] {
            let link = Link::Debug(name.as_bytes().to_vec(), None);
            assert!(places(&link).is_empty(), "{name}");
        }
    }

    #[test]
    fn shared_debug_information_is_looked_for_from_where_the_debug_information_lies() {
        let link = Link::Shared(b"../../.dwz/all".to_vec(), "0123456789abcdef".into());
        assert!(places(&link).contains(&"/usr/lib/debug/opt/.dwz/all".to_owned()));
    }

    #[test]
    fn what_is_no_regular_file_is_not_opened() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("bin")).unwrap();
        let fifo = root.path().join("bin/tool.debug");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let link = Link::Debug(b"tool.debug".to_vec(), None);
        let of = Name::from("/bin/tool");
        assert!(find(root.path(), &of, &link).is_none());
        std::fs::remove_file(&fifo).unwrap();
        std::fs::write(&fifo, "text").unwrap();
        assert!(find(root.path(), &of, &link).is_some_and(|(_, by_name)| by_name));
    }
}
