//! Pure: elements of DER, one after the other.

/// Bytes that are still to be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Der<'a>(pub(super) &'a [u8]);

impl<'a> Der<'a> {
    /// Tag and content of the next element; none at the end, or where no whole element follows.
    pub(super) fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&[tag, first], rest) = self.0.split_first_chunk::<2>()?;
        let (length, rest) =
            if first < 0x80 { (usize::from(first), rest) } else { long(first, rest)? };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// The content of the next element, if it has this tag.
    pub(super) fn of(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }

    /// Whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A length of more than one byte. No certificate has 16 MiB, and DER knows no indefinite lengths.
fn long(first: u8, rest: &[u8]) -> Option<(usize, &[u8])> {
    let count = usize::from(first & 0x7f);
    if !(1..=3).contains(&count) {
        return None;
    }
    let (digits, rest) = rest.split_at_checked(count)?;
    Some((digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest))
}

#[cfg(test)]
mod tests {
    use super::Der;
    use proptest::prelude::*;

    #[test]
    fn elements_are_taken_apart() {
        let long = [&[4, 0x81, 0x80][..], &[7; 128]].concat();
        let mut der = Der(&long);
        assert_eq!(der.next(), Some((4, &[7; 128][..])));
        assert!(der.is_empty() && der.next().is_none());
        for wrong in
            [&[][..], &[4], &[4, 1], &[4, 0x80], &[4, 0x81], &[4, 0x84, 0, 0, 0, 0], &[4, 0xff]]
        {
            assert_eq!(Der(wrong).next(), None, "{wrong:?}");
        }
        assert_eq!(Der(&[4, 1, 9]).of(5), None);
        assert_eq!(Der(&[4, 1, 9]).of(4), Some(&[9][..]));
    }

    proptest! {
        #[test]
        fn it_ends(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut der = Der(&bytes);
            let mut seen = 0;
            while let Some((_, content)) = der.next() {
                seen += 2 + content.len();
            }
            prop_assert!(seen <= bytes.len());
        }
    }
}
