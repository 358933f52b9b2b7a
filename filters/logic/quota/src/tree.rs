//! Tree.
use std::fmt;
/// Tree
#[derive(Debug)]
pub struct Tree {
    above: Vec<Vec<usize>>,
}
/// Err
#[derive(Debug)]
pub struct TreeError {
    index: usize,
}
impl TreeError {
    /// i
    pub const fn index(&self) -> usize {
        self.index
    }
}
impl fmt::Display for TreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bad parent")
    }
}
impl Tree {
    /// new
    pub fn try_new(names: &[(&str, Option<&str>)]) -> Result<Self, TreeError> {
        let mut above = Vec::new();
        for (index, (_, parent)) in names.iter().enumerate() {
            let mut chain = Vec::new();
            let mut next = *parent;
            while let Some(name) = next {
                let place = names
                    .iter()
                    .position(|(n, _)| *n == name)
                    .filter(|_| chain.len() < 4)
                    .ok_or(TreeError { index })?;
                chain.insert(0, place);
                next = names.get(place).and_then(|(_, p)| *p);
            }
            above.push(chain);
        }
        Ok(Self { above })
    }
    /// above
    pub fn above(&self, index: usize) -> &[usize] {
        self.above.get(index).map_or(&[], Vec::as_slice)
    }
}
