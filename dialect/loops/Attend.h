//===- Attend.h - an attend by definition, row by row ------------------------------------------===//

#ifndef HEDDLE_DIALECT_LOOPS_ATTEND_H
#define HEDDLE_DIALECT_LOOPS_ATTEND_H

#include "dialect/loops/LoopBuilder.h"

namespace heddle {

/// The parts of a conjunction.
void conjuncts(const ExprRef &expr, llvm::SmallVector<ExprRef> &parts);

/// The formulas of LANGUAGE.md, 4.3, in their order. A row passes its keys once for what its normaliser
/// needs (the row's *norm*), once for its statistics, once for its outputs; a plain softmax once for all.
class AttendLoops {
public:
  AttendLoops(LoopBuilder &l, const Spec &spec, const SpecStep &step, const AttendStep &body);
  void build(llvm::StringRef reason);

private:
  using KeyBody =
      llvm::function_ref<Values(const AttendSource &, ExprBuilder &, Value score, ValueRange)>;
  ExprBuilder inRow(ExprBuilder scope) const;
  /// Every kept pair of a row, source by source.
  Values forKept(ExprBuilder &row, ValueRange init, KeyBody body);
  Values forKept(ExprBuilder &row, const AttendSource &source, int64_t number, ValueRange init,
                 KeyBody body);
  ExprBuilder inSource(const ExprBuilder &row, const AttendSource &source, int64_t number) const;
  /// The mask in its parts: those that no key index changes, and the rest.
  void splitMask(const AttendSource &source, llvm::SmallVector<ExprRef> &ofRow,
                 llvm::SmallVector<ExprRef> &ofPair) const;
  Value conjunction(ExprBuilder &scope, llvm::ArrayRef<ExprRef> parts);
  Value scoreOf(const AttendSource &source, ExprBuilder &pair);

  // Normalise.cpp
  Values norm(ExprBuilder &row);
  Values softmaxNorm(ExprBuilder &row);
  /// p of a kept pair.
  Value weightOf(const AttendSource &source, ExprBuilder &row, ExprBuilder &pair, Value score,
                 ValueRange norm);
  Value nestedWeight(const AttendSource &source, ExprBuilder &row, ExprBuilder &pair, Value score,
                     ValueRange norm);
  Value finalWeight(const AttendSource &source, ExprBuilder &row, ExprBuilder &pair, Value score,
                    ValueRange norm);

  // Statistics.cpp
  void rowStatistics(ExprBuilder &row, ValueRange norm);
  Value statistic(size_t number, ExprBuilder &row, ValueRange norm);
  void histogram(size_t number, ExprBuilder &row, ValueRange norm);
  void columnStatistic(size_t number);
  bool looksAtWeight(size_t number) const;

  void writeRow(ExprBuilder &row, ValueRange norm);
  void writePairs(ExprBuilder &row, ValueRange norm);
  void writeOut(ExprBuilder &row, ValueRange norm);
  void forColumns(ExprBuilder &scope, llvm::function_ref<void(ExprBuilder &, ValueRange)> each);
  Value clearSums(ExprBuilder &row);
  void storeOut(ExprBuilder &row, llvm::function_ref<Value(ExprBuilder &, ValueRange)> valueOf);

  // A softmax in one pass: what was summed is brought to each new largest score.
  bool isOnePass() const;
  void onePass(ExprBuilder &row);
  Values accumulate(const AttendSource &source, ExprBuilder &pair, Value score, ValueRange state,
                    Value sums);
  void writeAccumulated(ExprBuilder &row, ValueRange state, Value sums);

  // Prefix.cpp
  void buildPrefix(llvm::StringRef reason);

  LoopBuilder &l;
  const Spec &spec;
  const SpecStep &step;
  const AttendStep &body;
  const SpecTensor *out, *lse, *weights, *scores;
  std::vector<const SpecTensor *> stats;
  Ranges rows;
  Values norms; // memory of the rows' norms, for statistics over rows
};

} // namespace heddle

#endif // HEDDLE_DIALECT_LOOPS_ATTEND_H
