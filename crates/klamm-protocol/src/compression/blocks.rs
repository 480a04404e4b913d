//! Pieces of any size cut into blocks of one size.

use bytes::Bytes;

/// Calls `each` with blocks of `size` bytes, the last one shorter; a block that lies within one piece
/// is not copied.
pub(super) fn for_each_block<E>(
    parts: &[Bytes],
    size: usize,
    mut each: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut gathered = Vec::new();
    let mut left: usize = parts.iter().map(Bytes::len).sum();
    for part in parts {
        let mut rest = &part[..];
        while !rest.is_empty() {
            let wanted = size.min(left + gathered.len()) - gathered.len();
            let (now, later) = rest.split_at(rest.len().min(wanted));
            (rest, left) = (later, left - now.len());
            if gathered.is_empty() && now.len() == wanted {
                each(now)?;
                continue;
            }
            gathered.extend_from_slice(now);
            if now.len() == wanted {
                each(&gathered)?;
                gathered.clear();
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn blocks_are_full_but_for_the_last(
            parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 0..9),
            size in 1..40usize,
        ) {
            let parts: Vec<Bytes> = parts.into_iter().map(Bytes::from).collect();
            let mut blocks: Vec<Vec<u8>> = Vec::new();
            let done: Result<(), ()> = for_each_block(&parts, size, |b| {
                blocks.push(b.to_vec());
                Ok(())
            });
            prop_assert_eq!(done, Ok(()));
            prop_assert_eq!(blocks.concat(), parts.concat());
            let full = blocks.len().saturating_sub(1);
            prop_assert!(blocks[..full].iter().all(|b| b.len() == size));
            prop_assert!(blocks.iter().all(|b| !b.is_empty() && b.len() <= size));
        }
    }
}
