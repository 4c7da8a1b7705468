//! Floor 0: errors that speak of this machine at this moment (no more open files, no memory, a disk that went away),
//! not of the file that was asked for. Nothing is set aside for them: the same input is fine a minute later.

use std::io;

/// Linux's numbers; the standard library has no names for most of them.
const EIO: i32 = 5;
const ENXIO: i32 = 6;
const ENOMEM: i32 = 12;
const EAGAIN: i32 = 11;
const ENODEV: i32 = 19;
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;
const ENOTCONN: i32 = 107;
const ETIMEDOUT: i32 = 110;
const EHOSTDOWN: i32 = 112;
const EHOSTUNREACH: i32 = 113;
const ESTALE: i32 = 116;

/// Whether the machine is at fault and not the file.
pub fn is_machines(error: &io::Error) -> bool {
    // A disk or a server that does not answer; then memory and open files.
    let away = [EIO, ENXIO, ENODEV, ENOTCONN, ETIMEDOUT, EHOSTDOWN, EHOSTUNREACH, ESTALE];
    let short = [ENOMEM, EAGAIN, ENFILE, EMFILE];
    error.raw_os_error().is_some_and(|number| away.contains(&number) || short.contains(&number))
        || error.kind() == io::ErrorKind::OutOfMemory
}

/// The same for the words of a library that keeps the error number to itself.
pub fn names_machine(text: &str) -> bool {
    ["Too many open files", "Cannot allocate memory", "Stale file handle", "Input/output error"]
        .iter()
        .any(|words| text.contains(words))
}

/// What the operator can do about an error that ended a run, by its words.
pub fn advice(text: &str) -> &'static str {
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if has(&["No space left", "Disk quota"]) {
        "make room on that disk, then run the same command again; what is complete is kept"
    } else if has(&["Read-only file system", "Permission denied", "Operation not permitted"]) {
        "make the folder writable, or give another one, then run the same command again"
    } else if has(&["Not a directory", "File exists"]) {
        "give a folder below folders; a file is in the way"
    } else if has(&["Too many open files"]) {
        "raise the limit (ulimit -n) or take fewer --threads, then run the same command again; what is complete is kept"
    } else {
        "mend the cause, then run the same command again; what is complete is kept"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_files_are_the_machines_and_missing_files_are_not() {
        // As the C library words them; numbers of <errno.h>.
        let too_many = io::Error::from_raw_os_error(24);
        assert!(is_machines(&too_many) && names_machine(&too_many.to_string()), "{too_many}");
        assert!(advice(&too_many.to_string()).contains("ulimit -n"));
        for number in [2, 13, 21] {
            let other = io::Error::from_raw_os_error(number);
            assert!(!is_machines(&other) && !names_machine(&other.to_string()), "{other}");
        }
        let broken = io::Error::from_raw_os_error(5);
        assert!(is_machines(&broken) && names_machine(&broken.to_string()), "{broken}");
        assert!(advice(&io::Error::from_raw_os_error(28).to_string()).contains("make room"));
        assert!(advice(&io::Error::from_raw_os_error(30).to_string()).contains("writable"));
        assert!(advice(&io::Error::from_raw_os_error(20).to_string()).contains("in the way"));
    }
}
