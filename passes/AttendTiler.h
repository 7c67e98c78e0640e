//===- AttendTiler.h - what TileAttend knows while it tiles one attend --------------------------===//

#ifndef HEDDLE_PASSES_ATTENDTILER_H
#define HEDDLE_PASSES_ATTENDTILER_H

#include "passes/TileRegions.h"
#include <limits>

namespace heddle::attn {
using namespace mlir;

/// Where a maximum starts that is subtracted: low - low is 0, -inf - -inf would be NaN.
constexpr double low = -std::numeric_limits<float>::max();

/// Tiles one attend. The members are what one work item knows.
class AttendTiler {
public:
  AttendTiler(AttendOp op, MemoryArguments &memory)
      : op(op), memory(memory), loc(op.getLoc()), b(op), once(op), schedule(*op.getSchedule()),
        Q(schedule.getQuery()), K(schedule.getKey()) {}
  LogicalResult run();

private:
  bool softmax() { return op.getNormaliser() == Normaliser::softmax; }
  bool hasOut() { return !op.getValue().empty(); }
  bool hasBand() { return !op.getRelRow().empty(); }
  bool hasProduct() { return !op.getQuery().empty(); }
  /// Only a division can make something of a row that keeps nothing.
  bool divides() { return !op.getDivide().empty(); }
  /// The columns of the accumulator: a value that does not mention e has one.
  int64_t width() { return std::max<int64_t>(op.getColumns(), 1); }
  RankedTensorType vector(int64_t size) { return RankedTensorType::get(size, b.getI32Type()); }

  void openGrid();
  void bind(RegionCloner &cloner, Region &region, Value rowPosition, Value keyPosition);
  Value rowVector(Region &region);
  Value keySide(Region &region, Value k0, Value kp, int64_t width);
  Value band(Value k0);
  SmallVector<Value> initial();
  Value prior(Value weight);
  SmallVector<Value> overKeys();
  SmallVector<Value> keyTile(Value n, Value full, Value tiles, ValueRange carried);
  Value keep(OpBuilder &body, Value qi, Value ki);
  Value dropUnkept(Value v, Value kp, Value full);
  Value scores(OpBuilder &body, Value e, Value relative, Value qi, Value ki);
  /// Scores of a tile that is one group, its largest, and a leader without members (-inf: none).
  struct NestedScores {
    Value scores, high, orphan;
  };
  NestedScores nest(OpBuilder &s, Value x, Value qs, Value kp);
  /// What a tile of keys brings; null: nothing of the kind.
  struct KeyTiles {
    Value key, band, value;
  };
  SmallVector<Value> strip(OpBuilder &s, const KeyTiles &keys, Value kp, Value full,
                           ValueRange args);
  Value anyKept(OpBuilder &s, Value qs, Value kp, Value full, Value before);
  Value quotient(OpBuilder &body, Value o, Value sum, Value qi, Value any);
  Value gated(Value out);
  void finish(ValueRange carried);
  void store(Value tile, Output which, double scale);
  Value exp(OpBuilder &at, Value x);

  AttendOp op;
  MemoryArguments &memory;
  Location loc;
  OpBuilder b, once; // where the item is built; where stands what it computes once
  ScheduleAttr schedule;
  const int64_t Q, K;

  unsigned rowAxis = 0; // among the row indices: the one that runs along the tile
  bool base2 = false;
  SmallVector<Value> row; // each row index of this item, null at rowAxis
  Value item, q0, qp, q, N, M, zero;
};

} // namespace heddle::attn

#endif // HEDDLE_PASSES_ATTENDTILER_H
