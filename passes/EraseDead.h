//===- EraseDead.h - what a rewrite left without use goes, operands of bodies too -------------===//

#ifndef HEDDLE_PASSES_ERASEDEAD_H
#define HEDDLE_PASSES_ERASEDEAD_H

#include "mlir/IR/Block.h"

namespace heddle::attn {

/// Erases ops of `block`, and of the blocks nested in it, whose results have no use and that do
/// nothing else, and maps that change nothing; takes from `attn.map` and from the `of` of
/// `attn.strips` what their bodies do not look at.
void eraseDead(mlir::Block &block);

} // namespace heddle::attn

#endif // HEDDLE_PASSES_ERASEDEAD_H
