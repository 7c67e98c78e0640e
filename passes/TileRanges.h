//===- TileRanges.h - the key tiles of a query tile that a mask keeps or drops something of ---===//
//
// Fourier-Motzkin projection of a mask's conjuncts to the tile numbers: what LowerSparsity writes
// as IR and `heddle check` evaluates. A range may be too large, never too small.
//
//===----------------------------------------------------------------------------------------===//

#ifndef HEDDLE_PASSES_TILERANGES_H
#define HEDDLE_PASSES_TILERANGES_H

#include "passes/MaskAnalysis.h"

namespace heddle::attn {

/// factor * J + tile * I + symbols + constant >= 0 for key tile J of query tile I: a lower bound of
/// J where the factor is positive, an upper one where it is negative, a condition for there to be
/// any J where it is 0.
struct TileBound {
  int64_t factor, tile;
  llvm::SmallVector<int64_t> symbols; // coefficients of TileRanges::symbols
  int64_t constant;
};

/// The key tiles that meet all bounds, among those that exist.
using TileRange = std::vector<TileBound>;

struct TileSizes {
  int64_t query, key;
};

/// The ranges of a mask of one query and one key position, with `k < keys` and-ed into it.
struct TileRanges {
  /// `queries` and `keys` are how many there are, as forms that `mask` has read.
  TileRanges(const MaskAnalysis &mask, const LinearForm &queries, const LinearForm &keys,
             TileSizes sizes);

  std::vector<TileRange> keeps, drops; // tiles with a kept pair; tiles with a dropped one
  /// The numbers of all `keeps`, those together of which at most one is not empty, whatever the
  /// symbols are: `W < 0 || distance <= W` needs one interval only.
  std::vector<llvm::SmallVector<unsigned>> exclusiveKeeps;
  llvm::SmallVector<unsigned> symbols; // the terms of the mask that bounds mention
};

} // namespace heddle::attn

#endif // HEDDLE_PASSES_TILERANGES_H
