//===- TileCounts.h - how much of a mask there is to do, at given sizes -----------------------===//

#ifndef HEDDLE_PASSES_TILECOUNTS_H
#define HEDDLE_PASSES_TILECOUNTS_H

#include "passes/TileRanges.h"
#include <optional>

namespace heddle::attn {

/// Tiles of each class over all query tiles, as LowerSparsity visits them, and the pairs kept.
struct TileCounts {
  int64_t empty = 0, full = 0, boundary = 0;
  int64_t keptPairs = 0;
  /// False if the mask has terms or symbols that are not known here: then `boundary` may count
  /// tiles that are full or empty, and `keptPairs` is an upper limit.
  bool exact = true;
};

/// Counts without a look at each pair: by ranges for each query tile, by intervals for each row.
/// `valueOf` gives the value of a symbol, if it is known.
TileCounts countTiles(MaskAnalysis &mask, mlir::Value queries, mlir::Value keys, TileSizes sizes,
                      llvm::function_ref<std::optional<int64_t>(mlir::Value)> valueOf);

} // namespace heddle::attn

#endif // HEDDLE_PASSES_TILECOUNTS_H
