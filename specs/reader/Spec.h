//===- Spec.h - a checked spec as plain structs -----------------------------===//
//
// What readSpec returns: everything of the file resolved. No default is left open (a missing
// `scale` is an expression here), bare tensors are reads, every index has its range, every
// expression its type. Sizes stay expressions over dims and params; what is known at compile time
// is in SpecDim::size. Knows neither JSON nor MLIR.
//
//===----------------------------------------------------------------------===//

#ifndef HEDDLE_SPECS_READER_SPEC_H
#define HEDDLE_SPECS_READER_SPEC_H

#include "specs/reader/Expr.h"

#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace heddle {

enum class StorageType { F32, F16, BF16, I8, I32, Bool };
/// "f32", "bf16", ...
std::string_view spelling(StorageType type);
/// What a tensor of this type reads as.
ExprType valueType(StorageType type);

enum class ReductionKind { Sum, Prod, Max, Min, Mean, Any, All, ArgMax, ArgMin, LogSumExp };
std::string_view spelling(ReductionKind kind);

/// A dim of the spec.
struct SpecDim {
  enum class Kind {
    Fixed,  ///< an integer in the file, or given by ReadOptions
    Any,    ///< known at run time
    Derived ///< `expr` over dims and params
  };
  std::string name;
  Kind kind = Kind::Any;
  int64_t size = -1;       ///< the compile-time value; -1 if known at run time only
  ExprRef expr;            ///< Derived only
  bool overridden = false; ///< was "any" (or another size) in the file; ReadOptions gave the size
  std::string tensor;      ///< input it stands alone in, as axis number `axis`; empty: none, and an
  int axis = -1;           ///< Any is then an i64 argument of the call
  SourceRange where;

  bool isCompileTime() const { return size >= 0; }
};

/// A param. Compile-time ones are Numbers in the expressions already.
struct SpecParam {
  std::string name;
  bool isRuntime = false;
  ExprValue value; ///< the constant, or the default of a run-time param (Float = f32, Int = i32)
  SourceRange where;
};

/// A condition over dims and params that must hold before anything runs.
struct SpecRequire {
  ExprRef condition;
  std::string text; ///< as written; for a derived one what it means, e.g. "H % Hkv == 0"
  bool derived = false;
  SourceRange where;
};

/// The size of an axis or the range of an index: an Int expression over dims and params.
/// `text` is the size as written without blanks; equal texts mean the same dim.
struct Extent {
  ExprRef size;
  std::string text;
};

/// An index name and its range: 0 <= name < extent.
struct IndexRange {
  std::string name;
  Extent extent;
  bool declared = false; ///< written as "NAME < RANGE"; else inferred from the read at `where`
  SourceRange where;
};

/// An input or the output of a step.
struct SpecTensor {
  std::string name;
  std::vector<Extent> axes;           ///< memory order
  ExprType type = ExprType::Float;    ///< what a read gives
  std::optional<StorageType> storage; ///< inputs and results; none: an intermediate
  int step = -1;                      ///< the step that makes it; -1: an input
  std::string output;                 ///< which output of that step ("out", "lse", "state", ...)
  bool isResult = false;
  bool isUsed = true; ///< an input, a result, or read on the way to one
  int lastStep = -1;  ///< the last such step that reads it
  std::optional<std::pair<ExprRef, ExprRef>> range; ///< [first, end), inputs only
  bool sorted = false, distinct = false;
  SourceRange where;

  bool isInput() const { return step < 0; }
};

/// A named output of a step and the tensor that takes it.
struct StepOutput {
  std::string kind;   ///< "out", "lse", "weights", "scores", "state", "sum", "momentum", "list",
                      ///< "keep", "rank", "count", or the name of a statistic
  std::string tensor; ///< name in Spec::tensors
  SourceRange where;
};

struct ComputeStep {
  std::vector<IndexRange> index, over;
  ReductionKind with = ReductionKind::Sum; ///< without `over` the step is a map
  ExprRef value;
  ExprRef where; ///< Bool; `true` by default
};

struct ScanStep {
  std::vector<IndexRange> index;
  int along = 0; ///< position in `index`
  ReductionKind with = ReductionKind::Sum;
  ExprRef value;
  bool exclusive = false, reverse = false;
};

enum class NormalizeKind { Softmax, Map, Given, Nested };
enum class OffsetKind { BottomRight, TopLeft, Expr };

/// One key set of an attend step. Its expressions see the rows, `keys` and what the page allows.
struct AttendSource {
  std::vector<IndexRange> keys;    ///< K, in order
  std::optional<IndexRange> depth; ///< d; none: the product has one element
  ExprRef query, key;              ///< Float of R, K, d; both null: the product is 0
  ExprRef value;                   ///< Float of R, K, e; null: no `out`
  ExprRef pair;                    ///< Float of QueryElem, KeyElem, R, K, d; null: query * key
  ExprRef scale;                   ///< Float of R; default made explicit
  ExprRef score;                   ///< Float of Score, R, K
  ExprRef mask;                    ///< Bool of R, K; Number true if nothing is masked
  // The step's normalize, stats and weight, as they mean in this source:
  ExprRef map;                     ///< NormalizeKind::Map: Float of Score
  ExprRef given;                   ///< NormalizeKind::Given: Float
  ExprRef group, leader;           ///< NormalizeKind::Nested: Int, Bool
  ExprRef weight;                  ///< Float of Weight, statistics; Special Weight by default
  std::vector<ExprRef> statValues; ///< one per AttendStep::stats; Score and Weight in them
  SourceRange where;               ///< the source's object, or the step's
};

/// A reduction over the kept pairs.
struct AttendStatistic {
  std::string name;
  ReductionKind with = ReductionKind::Sum;
  std::vector<std::string> over; ///< index names; the keys by default
  std::vector<IndexRange> index; ///< more axes after R
  bool perRow = true;            ///< over the keys, without `index`: has a value in weight and gate
  ExprType type = ExprType::Float;
  SourceRange where;
};

struct AttendStep {
  std::vector<IndexRange> rows;     ///< R, in the order of the output's axes
  std::optional<IndexRange> column; ///< e; none: `out` has no e axis
  std::vector<AttendSource> sources;
  OffsetKind offsetKind = OffsetKind::BottomRight;
  /// Int of R without q_idx: Special Pos = q_idx + offset; null where pos has no value.
  ExprRef offset;
  NormalizeKind normalize = NormalizeKind::Softmax;
  ExprRef sink; ///< Softmax: Float of R, or null
  /// With a sink: Float of R, e, its value; null: 0. No spec says it, see dialect/SplitSources.h.
  ExprRef prior;
  ExprRef divide; ///< Map: Float of Sum, R, or null
  ExprRef gate;   ///< Float of R, e, statistics; Number 1.0 by default
  std::vector<AttendStatistic> stats;
  SourceRange whereOffset, whereNormalize, whereGate, whereWeight; ///< the keys, if written
};

enum class RecurRule { Add, Delta, Momentum };

struct RecurStep {
  std::vector<IndexRange> rows;            ///< R, t among them
  int time = 0;                            ///< position of t in `rows`
  std::optional<IndexRange> depth, column; ///< d, e
  ExprRef query, key;                      ///< Float of R, d; Number 1.0 by default
  ExprRef value;                           ///< Float of R, e; Number 1.0 by default
  ExprRef decay;                           ///< Float of R, d, e; Number 1.0 by default
  RecurRule rule = RecurRule::Add;
  ExprRef beta;     ///< Float of R, d, e; Number 1.0 by default
  ExprRef momentum; ///< Float of R, d, e; Number 0.0 by default
  ExprRef chunk;    ///< Int over dims and params; Number 1 by default
  bool readBefore = false;
  ExprRef divide;                               ///< Float of Sum, R; null: none
  ExprRef initial, initialSum, initialMomentum; ///< Float of the state's indices; null: 0
  bool reverse = false;
  SourceRange whereDecay, whereRule, whereDivide, whereReverse; ///< the keys, if written
};

struct SelectStep {
  std::vector<IndexRange> index;
  IndexRange over;
  ExprRef value, where, always; ///< Float 0.0, Bool true, Bool false by default
  ExprRef above;                ///< Float of `index`; -inf by default
  ExprRef count;                ///< Int over dims and params; null: all
  bool orderByValue = false;
  struct TreeSearch {
    ExprRef first, number; ///< Int of `index`
    bool pickCenter = true;
  };
  std::optional<TreeSearch> tree;
  SourceRange whereAlways, whereAbove, whereSearch; ///< the keys, if written
};

struct SpecStep {
  std::variant<ComputeStep, ScanStep, AttendStep, RecurStep, SelectStep> body;
  std::vector<StepOutput> outputs; ///< in the order of the file
  SourceRange where;               ///< the step's object
  SourceRange whereKind;           ///< the key "attend", "recur", ...

  template <typename T> const T *getIf() const { return std::get_if<T>(&body); }
  /// "attend", "recur", "compute", "scan" or "select".
  std::string_view kindName() const;
};

struct Spec {
  std::string name, fileName;
  std::vector<SpecDim> dims;
  std::vector<SpecParam> params;
  std::vector<SpecRequire> requires_;
  std::vector<SpecTensor> tensors; ///< inputs in the order of the file, then step outputs
  std::vector<SpecStep> steps;
  std::vector<std::string> results;       ///< tensor names, in the order of the file
  std::map<std::string, int64_t> example; ///< sizes of "any" dims

  /// Null if there is none.
  const SpecDim *findDim(std::string_view dim) const;
  const SpecParam *findParam(std::string_view param) const;
  const SpecTensor *findTensor(std::string_view tensor) const;
  /// The tensor that takes output `kind` of step number `step`; null if it was not asked for.
  const SpecTensor *findOutput(size_t step, std::string_view kind) const;

  /// What a call passes: inputs, then results, in the order of the file.
  std::vector<const SpecTensor *> arguments() const;
  /// What lives in the workspace between steps: outputs that are used and are no results.
  std::vector<const SpecTensor *> temporaries() const;
  /// Is an output of this step used?
  bool isLive(size_t step) const;

  /// All dims and run-time params: `sizes` for "any" dims (`example` where absent, if
  /// `useExample`), defaults for params, derived dims evaluated. Empty if a size is missing or one
  /// comes out negative or over 2^31 - 1; `fault` then says which and why.
  std::optional<ValueMap> resolveSizes(const std::map<std::string, int64_t> &sizes, bool useExample,
                                       std::string *fault) const;
};

/// Calls `visit` on every expression of a step, defaults too.
void forEachExpr(const SpecStep &step, const std::function<void(const ExprRef &)> &visit);
/// Fills in SpecTensor::isUsed and lastStep.
void markUses(Spec &spec);

} // namespace heddle

#endif
