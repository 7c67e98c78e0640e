//===- Select.h - index lists from data, as loops ----------------------------------------------===//

#ifndef HEDDLE_DIALECT_LOOPS_SELECT_H
#define HEDDLE_DIALECT_LOOPS_SELECT_H

#include "dialect/loops/LoopBuilder.h"

namespace heddle {

class SelectLoops {
public:
  SelectLoops(LoopBuilder &l, const Spec &spec, const SpecStep &step, const SelectStep &body);
  void build();

private:
  Value limit();
  void judge();
  void order();
  void write();

  // TreeSearch.cpp
  /// Runs of candidates, as first ones and sizes: [rows, limit * 2] each.
  struct Runs {
    Value first, size;
  };
  void search();
  void searchRow(ExprBuilder &scope, ValueRange row, const Runs &runs, const Runs &halves);
  void cut(ValueRange row, const Runs &runs, Value parts, Value first, Value number);
  Value anyLong(ValueRange row, const Runs &runs, Value numRuns);
  Value halve(ValueRange row, const Runs &from, Value numRuns, const Runs &to);
  Value keepBest(ValueRange row, const Runs &from, Value numRuns, const Runs &to);
  void scoreRuns(ExprBuilder &scope, ValueRange row, const Runs &runs, Value numRuns);
  Value integer(Value memory, ValueRange row, Value at);
  void setInteger(Value value, Value memory, ValueRange row, Value at);

  LoopBuilder &l;
  const SelectStep &body;
  const SpecTensor *list, *keep, *rank, *count;
  Ranges rows, pairs;
  Value value, standing, place; // [rows, over]
  Value scores;                 // of runs
};

} // namespace heddle

#endif // HEDDLE_DIALECT_LOOPS_SELECT_H
