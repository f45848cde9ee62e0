//! Which further cells to hide so that the sensitive ones stay hidden: the heuristic.
//!
//! For each sensitive cell that no known move protects, the cheapest move that does is found and the cells it needs are
//! hidden. Then every further cell is un-hidden, the dearest first, if all sensitive cells can still be protected.
//! Ties are broken by the number of the cell, so the same table always gives the same pattern.

use crate::disclosure::moves::{Aim, Frame, Move};
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

/// A pattern that protects all aims.
///
/// # Errors
/// [`Error::InvalidInput`] if a cell that must be hidden may not be, or what must stay published leaves no protection.
pub(super) fn protect(frame: &Frame, aims: &[Aim], heartbeat: Heartbeat) -> Result<Pattern> {
    let mut hidden = frame.withheld.clone();
    for aim in aims {
        if !frame.may_hide[aim.cell] {
            return Err(Error::invalid("keep", "names a cell that must be hidden now; withdraw the earlier release"));
        }
        hidden[aim.cell] = true;
    }
    complete(frame, aims, hidden, heartbeat)?
        .ok_or_else(|| Error::invalid("keep", "leaves no way to protect a sensitive cell; let more cells be hidden"))
}

/// Hides what more it takes to protect all aims and un-hides what is hidden in vain; `None` if nothing suffices.
pub(super) fn complete(
    frame: &Frame,
    aims: &[Aim],
    mut hidden: Vec<bool>,
    heartbeat: Heartbeat,
) -> Result<Option<Pattern>> {
    let weight: Vec<f64> = frame.cost.iter().map(|cost| *cost as f64).collect();
    let mut order: Vec<usize> = (0..aims.len()).collect();
    order.sort_by_key(|number| (std::cmp::Reverse(aims[*number].room), aims[*number].cell));
    let mut moves: Vec<Move> = Vec::new();
    let mut proof = vec![usize::MAX; aims.len()];
    for number in order {
        heartbeat();
        let aim = aims[number];
        if let Some(known) = moves.iter().position(|change| aim.is_met(change.of(aim.cell))) {
            proof[number] = known;
            continue;
        }
        let Some(change) = frame.find_cheapest(&hidden, aim, &weight)? else { return Ok(None) };
        for (cell, by) in &change.0 {
            hidden[*cell] |= frame.shows(*cell, *by);
        }
        proof[number] = moves.len();
        moves.push(change);
    }
    let mut pattern = Pattern { hidden, moves, proof };
    pattern.clean_up(frame, aims, heartbeat)?;
    Ok(Some(pattern))
}

impl Pattern {
    /// Un-hides what is hidden in vain.
    pub fn clean_up(&mut self, frame: &Frame, aims: &[Aim], heartbeat: Heartbeat) -> Result<()> {
        let mut fixed = frame.withheld.clone();
        for aim in aims {
            fixed[aim.cell] = true;
        }
        let mut further: Vec<usize> =
            (0..self.hidden.len()).filter(|cell| self.hidden[*cell] && !fixed[*cell]).collect();
        further.sort_by_key(|cell| (std::cmp::Reverse(frame.cost[*cell]), *cell));
        for cell in further {
            heartbeat();
            self.hidden[cell] = false;
            if !self.repair(frame, aims, heartbeat)? {
                self.hidden[cell] = true;
            }
        }
        self.prune();
        Ok(())
    }

    /// Finds a move for each aim whose move no longer goes unseen. Leaves everything as it was and says `false` if one
    /// has none.
    fn repair(&mut self, frame: &Frame, aims: &[Aim], heartbeat: Heartbeat) -> Result<bool> {
        let mut unseen: Vec<bool> = self.moves.iter().map(|change| frame.is_unseen(change, &self.hidden)).collect();
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
                    let Some(change) = frame.find(&self.hidden, *aim)? else {
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
