//! Which further cells to hide so that the sensitive ones stay hidden: the heuristic.
//!
//! For each sensitive cell that no known move protects, the cheapest move that does is found and the cells it needs are
//! hidden. Then every further cell is un-hidden, the dearest first, if all sensitive cells can still be protected.
//! Ties are broken by the number of the cell, so the same table always gives the same pattern.

use crate::disclosure::moves::{Aim, Frame, Move, Mover};
use crate::error::{Error, Result};
use crate::number::Heartbeat;

/// Hidden cells and the moves that show that they suffice.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    /// By cell.
    pub hidden: Vec<bool>,
    /// One move for each aim; the same for several where it serves them.
    pub moves: Vec<Move>,
    /// The move of each aim.
    pub proof: Vec<usize>,
}

/// How often the refinement goes over all further cells, at most.
const PASSES: usize = 2;

/// A pattern that protects all aims.
///
/// # Errors
/// [`Error::InvalidInput`] if a cell that must be hidden may not be, or what must stay published leaves no protection.
pub(super) fn protect(
    frame: &Frame,
    aims: &[Aim],
    heartbeat: Heartbeat,
    out_of_time: &dyn Fn() -> bool,
) -> Result<Pattern> {
    if aims.iter().any(|aim| !frame.may_hide[aim.cell]) {
        return Err(Error::invalid("keep", "names a cell that must be hidden now; withdraw the earlier release"));
    }
    let fixed = frame.hidden_anyway(aims);
    let mut mover = Mover::new(frame);
    let price = |cell: usize| frame.may_hide[cell].then(|| frame.cost[cell] as f64);
    let mut best = complete(&mut mover, aims, fixed.clone(), &[], &price, heartbeat)?
        .ok_or_else(|| Error::invalid("keep", "leaves no way to protect a sensitive cell; let more cells be hidden"))?;
    // Ruin and recreate: publish a further cell for good and its equations' further cells for the time being, and see
    // whether something cheaper grows back.
    for _ in 0..PASSES {
        let before = frame.cost_of(&best.hidden);
        for cell in 0..fixed.len() {
            if fixed[cell] || !best.hidden[cell] {
                continue;
            }
            if out_of_time() {
                return Ok(best);
            }
            let mut hidden = best.hidden.clone();
            for (near, _) in frame.rows_of[cell].iter().flat_map(|row| &frame.rows[*row]) {
                hidden[*near] = fixed[*near];
            }
            let without = |other: usize| price(other).filter(|_| other != cell);
            if let Some(found) = complete(&mut mover, aims, hidden, &best.moves, &without, heartbeat)?
                && frame.cost_of(&found.hidden) < frame.cost_of(&best.hidden)
            {
                best = found;
            }
        }
        if frame.cost_of(&best.hidden) == before {
            break;
        }
    }
    Ok(best)
}

/// Hides what more it takes to protect all aims, at a `price` for each cell (`None`: not at all), and un-hides what is
/// hidden in vain; `None` if nothing suffices. Of the `known` moves those are used that stay among the hidden cells.
pub(super) fn complete(
    mover: &mut Mover,
    aims: &[Aim],
    mut hidden: Vec<bool>,
    known: &[Move],
    price: &dyn Fn(usize) -> Option<f64>,
    heartbeat: Heartbeat,
) -> Result<Option<Pattern>> {
    let frame = mover.frame;
    for (cell, hidden) in hidden.iter().enumerate() {
        mover.price(cell, if *hidden { Some(0.0) } else { price(cell) });
    }
    let mut order: Vec<usize> = (0..aims.len()).collect();
    order.sort_by_key(|number| (std::cmp::Reverse(aims[*number].room), aims[*number].cell));
    let mut moves: Vec<Move> = known.iter().filter(|change| frame.is_unseen(change, &hidden)).cloned().collect();
    let mut proof = vec![usize::MAX; aims.len()];
    for number in order {
        heartbeat();
        let aim = aims[number];
        if let Some(known) = moves.iter().position(|change| aim.is_met(change.of(aim.cell))) {
            proof[number] = known;
            continue;
        }
        let Some(change) = mover.find(aim, heartbeat)? else { return Ok(None) };
        for (cell, by) in &change.0 {
            if !hidden[*cell] && frame.shows(*cell, *by) {
                hidden[*cell] = true;
                mover.price(*cell, Some(0.0));
            }
        }
        proof[number] = moves.len();
        moves.push(change);
    }
    let mut pattern = Pattern { hidden, moves, proof };
    pattern.clean_up(mover, aims, heartbeat)?;
    Ok(Some(pattern))
}

impl Pattern {
    /// Un-hides what is hidden in vain.
    fn clean_up(&mut self, mover: &mut Mover, aims: &[Aim], heartbeat: Heartbeat) -> Result<()> {
        let frame = mover.frame;
        let fixed = frame.hidden_anyway(aims);
        let mut further: Vec<usize> =
            (0..self.hidden.len()).filter(|cell| self.hidden[*cell] && !fixed[*cell]).collect();
        further.sort_by_key(|cell| (std::cmp::Reverse(frame.cost[*cell]), *cell));
        let mut sensitive = vec![false; self.hidden.len()];
        for aim in aims {
            sensitive[aim.cell] = true;
        }
        // Moves that do without the further cells leave more of them to un-hide.
        for cell in 0..self.hidden.len() {
            let price = if fixed[cell] { 0.0 } else { frame.cost[cell] as f64 };
            mover.price(cell, self.hidden[cell].then_some(price));
        }
        for cell in further {
            heartbeat();
            if frame.gives_away(cell, &self.hidden, &sensitive) {
                continue;
            }
            self.hidden[cell] = false;
            let price = mover.price_of(cell);
            mover.price(cell, None);
            if !self.repair(mover, aims, heartbeat)? {
                self.hidden[cell] = true;
                mover.price(cell, price);
            }
        }
        self.prune();
        Ok(())
    }

    /// Finds a move for each aim whose move no longer goes unseen. Leaves everything as it was and says `false` if one
    /// has none.
    fn repair(&mut self, mover: &mut Mover, aims: &[Aim], heartbeat: Heartbeat) -> Result<bool> {
        let mut unseen: Vec<bool> =
            self.moves.iter().map(|change| mover.frame.is_unseen(change, &self.hidden)).collect();
        let before = (self.moves.len(), self.proof.clone());
        for (number, aim) in aims.iter().enumerate() {
            if unseen[self.proof[number]] {
                continue;
            }
            let known =
                (0..self.moves.len()).find(|known| unseen[*known] && aim.is_met(self.moves[*known].of(aim.cell)));
            self.proof[number] = match known {
                Some(known) => known,
                None => {
                    heartbeat();
                    let Some(change) = mover.find(*aim, heartbeat)? else {
                        self.moves.truncate(before.0);
                        self.proof = before.1;
                        return Ok(false);
                    };
                    self.moves.push(change);
                    unseen.push(true);
                    self.moves.len() - 1
                }
            };
        }
        Ok(true)
    }

    /// Forgets the moves that prove nothing.
    fn prune(&mut self) {
        let mut kept: Vec<Option<usize>> = vec![None; self.moves.len()];
        let mut moves = Vec::new();
        for proof in &mut self.proof {
            let number = *kept[*proof].get_or_insert_with(|| {
                moves.push(self.moves[*proof].clone());
                moves.len() - 1
            });
            *proof = number;
        }
        self.moves = moves;
    }
}
