//! The cases that were found, run again.

use crate::case::{Found, folder};

#[test]
fn every_kept_case_holds() {
    let mut run = 0;
    for file in std::fs::read_dir(folder()).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let found: Found = serde_json::from_slice(&std::fs::read(&path).unwrap())
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let why = found.case.check().err();
            assert_eq!(why, None, "{}, found as: {}", path.display(), found.why);
            run += 1;
        }
    }
    assert!(run > 0, "no case in {}", folder().display());
}
