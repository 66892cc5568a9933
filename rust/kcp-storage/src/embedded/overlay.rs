//! Two sorted sources read as one.

use super::current::EngineResult;
use crate::{Item, Key};
use std::iter::Peekable;

/// The items of `base` with `over` laid on top: at a key of both, `over` decides; `None` there hides the item.
pub(crate) fn overlay<B, O>(base: B, over: O) -> Overlay<B, O>
where
    B: Iterator<Item = EngineResult<Item>>,
    O: Iterator<Item = EngineResult<(Key, Option<Item>)>>,
{
    Overlay { base: base.peekable(), over: over.peekable() }
}

/// See [`overlay`].
pub(crate) struct Overlay<B: Iterator, O: Iterator> {
    base: Peekable<B>,
    over: Peekable<O>,
}

impl<B, O> Iterator for Overlay<B, O>
where
    B: Iterator<Item = EngineResult<Item>>,
    O: Iterator<Item = EngineResult<(Key, Option<Item>)>>,
{
    type Item = EngineResult<Item>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let order = match (self.base.peek(), self.over.peek()) {
                (_, None) | (Some(Err(_)), _) => return self.base.next(),
                (None, Some(Ok(_))) | (_, Some(Err(_))) => std::cmp::Ordering::Greater,
                (Some(Ok(item)), Some(Ok((key, _)))) => item.key.cmp(key),
            };
            if order.is_lt() {
                return self.base.next();
            }
            if order.is_eq() {
                self.base.next();
            }
            match self.over.next()? {
                Ok((_, Some(item))) => return Some(Ok(item)),
                Ok((_, None)) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
