//! Pure: what a client may not do is taken out of its request, the rest is done, and each gets its answer in its place.

use klamm_protocol::error_code::ErrorCode;

/// What was taken out of a list, each with the reason; none in the places of those that stayed.
///
/// The reasons are found once: rights and topics may change while the rest is being done, and an answer must be about what
/// was done.
#[derive(Debug)]
pub(super) struct LeftOut<T>(Vec<Option<(T, ErrorCode)>>);

impl<T> LeftOut<T> {
    /// Takes out of the list what there is a reason for.
    pub(super) fn take_from(
        list: &mut Vec<T>,
        mut reason: impl FnMut(&T) -> Option<ErrorCode>,
    ) -> Self {
        let mut left_out = Vec::with_capacity(list.len());
        for item in std::mem::take(list) {
            match reason(&item) {
                Some(code) => left_out.push(Some((item, code))),
                None => {
                    left_out.push(None);
                    list.push(item);
                }
            }
        }
        Self(left_out)
    }

    /// The answers of those that stayed, in their order, and between them those of the others.
    pub(super) fn put_into<A>(
        self,
        answers: Vec<A>,
        mut refused: impl FnMut(T, ErrorCode) -> A,
    ) -> Vec<A> {
        let mut answers = answers.into_iter();
        let places = self.0.into_iter().filter_map(|place| match place {
            Some((item, code)) => Some(refused(item, code)),
            None => answers.next(),
        });
        places.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_is_in_its_place_whatever_is_left_out() {
        for left_out in 0..1_u32 << 5 {
            let mut list: Vec<u32> = (0..5).collect();
            let mut asked = Vec::new();
            let refused = LeftOut::take_from(&mut list, |&n| {
                asked.push(n);
                (left_out >> n & 1 == 1).then_some(ErrorCode::TOPIC_AUTHORIZATION_FAILED)
            });
            assert_eq!(asked, [0, 1, 2, 3, 4], "each once, in order");
            let stayed: Vec<u32> = (0..5).filter(|n| left_out >> n & 1 == 0).collect();
            assert_eq!(list, stayed);
            let done = list.into_iter().map(|n| (n, ErrorCode::NONE)).collect();
            let answers = refused.put_into(done, |n, code| (n, code));
            let expected = (0..5).map(|n| match left_out >> n & 1 {
                1 => (n, ErrorCode::TOPIC_AUTHORIZATION_FAILED),
                _ => (n, ErrorCode::NONE),
            });
            assert_eq!(answers, expected.collect::<Vec<_>>());
        }
    }
}
