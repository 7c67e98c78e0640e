//===- ChooseSchedule.cpp - the one policy: machine, shapes and wishes to #attn.schedule -------===//
//
// Before: %o = attn.attend ..   after: %o = attn.attend .. schedule #attn.schedule<query = 192, ..>
//
// Tile and split sizes depend on depth, types and target only, never on the batch, the heads or the
// threads: a row has the same bits in any company. Every number here is a choice; the machine's facts
// are in TargetTable.cpp.
//
// Needs: surface ops. Leaves: a schedule on each. Wishes (`set`) override single fields.
//
//===----------------------------------------------------------------------------------------===//

#include "dialect/target/TargetInfo.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "passes/AccessAnalysis.h"
#include "passes/Passes.h"
#include "llvm/ADT/StringExtras.h"
#include <numeric>

using namespace mlir;

namespace heddle::attn {
#define GEN_PASS_DEF_CHOOSESCHEDULE
#include "passes/Passes.h.inc"

namespace {

/// The fields of a schedule while they are being chosen.
struct Choice {
  int64_t query, key, strip, chunk, columns = 0, stages = 1;
  Form form = Form::carried;
  int64_t lanes = 0, rows = 0, vectors = 0, expDegree = 5; // CPU
  int64_t threads = 0;                                     // GPU

  int64_t *field(StringRef name) {
    return llvm::StringSwitch<int64_t *>(name)
        .Case("query", &query)
        .Case("key", &key)
        .Case("strip", &strip)
        .Case("chunk", &chunk)
        .Case("columns", &columns)
        .Case("stages", &stages)
        .Case("rows", &rows)
        .Case("vectors", &vectors)
        .Case("exp_degree", &expDegree)
        .Case("threads", &threads)
        .Default(nullptr);
  }
};
constexpr StringLiteral fieldNames =
    "query, key, strip, chunk, columns, stages, form, rows, vectors, exp_degree, threads";

/// What of an op, besides its sizes, has a part in its tiles.
struct Traits {
  bool oneRow = false; // keys differ from row to row
  bool masked = false;
  bool ragged = false;  // masked by what sorted tensors hold: borders lie anywhere
  int64_t block = 0;    // the mask is the same for so many queries and keys; 0: for all
  bool band = false;    // a term by distance
  int64_t group = 0;    // keys of a nested softmax's group; 0: none
  bool widened = false; // keys are copied, to f32
  bool recurs = false;  // products of a chunk, as wide as the state
};

/// How many queries of a tile's axis, and as many keys, the mask treats alike: what divides all that it divides their
/// positions by; 1 if it looks at a position itself, 0 if at none.
int64_t blockOf(AttendOp op) {
  std::optional<unsigned> row = tileRow(op);
  if (op.getKeep().empty() || !row)
    return 0;
  int64_t block = 0;
  for (BlockArgument position :
       {op.getKeep().getArgument(*row), op.getKeep().getArguments().back()})
    for (Operation *user : position.getUsers()) {
      auto divide = dyn_cast<arith::FloorDivSIOp>(user);
      block = std::gcd(block, divide ? getConstantIntValue(divide.getRhs()).value_or(1) : 1);
    }
  return block;
}

Traits traitsOf(AttendOp op) {
  WalkResult sorted = op.getKeep().walk([](Operation *inner) {
    return inner->hasAttr(AttnDialect::SortedAttrHelper::getNameStr()) ? WalkResult::interrupt()
                                                                       : WalkResult::advance();
  });
  WalkResult narrow = op.getKey().walk([](tensor::ExtractOp read) {
    return read.getType().isF32() ? WalkResult::advance() : WalkResult::interrupt();
  });
  return {!tileRow(op),
          !op.getKeep().empty(),
          sorted.wasInterrupted(),
          blockOf(op),
          !op.getRelRow().empty(),
          int64_t(op.getGroup()),
          narrow.wasInterrupted()};
}

/// Lanes are queries. The register tile is the largest that does not spill: accumulators + lanes + one
/// broadcast within the registers. Keys of a tile and their values take at most half of L2 at 32 bits; where
/// they are widened, the copies stay in L1.
/// Under a mask what the border of large tiles computes in vain costs more than loading keys again: a window
/// of 128 runs more than twice as fast in tiles of 32 x 32 as in those of 192 x 128, a causal mask a tenth
/// faster; and where a mask goes by blocks, tiles of a power of two do not lie across two. Where it looks at
/// nothing but blocks of 64 there is no such border, and tiles of 64 load each key half as often: a tenth
/// faster where keys lie beyond L2. Where it goes by documents of any length, a query tile is one strip:
/// products leave out what is beyond a border register by register (CutProducts.cpp), and it is a tenth faster
/// than one of a single register of 16 lanes.
Choice chooseCpu(const TargetInfo &target, int64_t depth, const Traits &traits) {
  Choice c;
  bool wide = target.registers >= 32;
  c.lanes = target.lanes;
  c.rows = wide ? 8 : 4;
  c.vectors = 3;
  c.strip = c.vectors * c.lanes;
  c.query = 192;
  c.key = depth <= 64 ? (traits.widened ? 64 : 128) : depth <= 128 ? (wide ? 128 : 64) : 32;
  if (traits.masked) {
    c.rows = wide ? 8 : 6;
    c.vectors = 2;
    c.strip = c.vectors * c.lanes; // the tile, or half of it
    c.query = traits.ragged ? c.strip : 32;
    c.key = traits.ragged ? (32 + c.rows - 1) / c.rows * c.rows : 32;
    if (traits.block && traits.block % 64 == 0)
      c.query = c.key = 64;
  }
  if (traits.recurs && !wide) { // widths of 64 and 128 are pairs of registers of 8 lanes
    c.rows = 6;
    c.vectors = 2;
  }
  c.chunk = 16; // fewer FLOPs beat better tiles
  return c;
}

/// A thread is a row of the query tile; the state of a recurrence is cut into columns of the value so
/// that it fits shared memory beside the tiles of a chunk.
Choice chooseGpu(const TargetInfo &target, int64_t depth) {
  Choice c;
  c.threads = 128;
  c.query = c.threads;
  c.strip = target.lanes;
  c.key = 32;
  c.chunk = 32;
  c.columns = depth <= 64 ? 32 : 16;
  return c;
}

struct ChooseSchedule : impl::ChooseScheduleBase<ChooseSchedule> {
  using ChooseScheduleBase::ChooseScheduleBase;

  /// `name=value,name=value` onto a choice.
  LogicalResult wish(Choice &choice) {
    SmallVector<StringRef> wishes;
    StringRef(set).split(wishes, ',', -1, /*KeepEmpty=*/false);
    for (StringRef entry : wishes) {
      auto [name, value] = entry.split('=');
      if (name == "form") {
        std::optional<Form> form = symbolizeForm(value);
        if (!form)
          return getOperation().emitError(
                     "schedule: expected form=carried or form=two_level, got '")
                 << value << "'";
        choice.form = *form;
        continue;
      }
      int64_t *field = choice.field(name);
      if (!field)
        return getOperation().emitError("schedule: unknown field '")
               << name << "'; there are " << fieldNames;
      if (value.getAsInteger(10, *field) || *field < 0 || *field > 65536)
        return getOperation().emitError("schedule: expected ")
               << name << " to be a number up to 65536, got '" << value << "'";
    }
    return success();
  }

  template <typename OpT>
  LogicalResult choose(OpT op, const TargetInfo &target, const Traits &traits) {
    int64_t depth = std::max(op.getDepth(), op.getColumns());
    Choice c = target.kind == TargetKind::Cpu ? chooseCpu(target, depth, traits)
                                              : chooseGpu(target, depth);
    if (traits.band &&
        target.kind == TargetKind::Cpu) // a tile's distances are its keys and queries
      c.key = std::max<int64_t>(c.key, 64);
    if (failed(wish(c)))
      return failure();
    if (traits.band) // a band is sheared as a whole: one strip, the smaller of the two
      c.query = c.strip = target.kind == TargetKind::Cpu ? c.strip : c.query;
    if (traits.group) // a tile of keys is a group: no wish can cut it
      c.key = traits.group;
    if (traits.oneRow) // keys differ from row to row: no wish can tile them
      c.query = c.strip = 1;
    if (c.query && c.strip && c.query % c.strip)
      c.query = (c.query + c.strip - 1) / c.strip * c.strip;
    auto emitError = [&] { return op->emitError("schedule: "); };
    MLIRContext *context = op->getContext();
    CpuScheduleAttr cpu;
    GpuScheduleAttr gpu;
    if (target.kind == TargetKind::Cpu)
      cpu =
          CpuScheduleAttr::getChecked(emitError, context, c.lanes, c.rows, c.vectors, c.expDegree);
    else
      gpu = GpuScheduleAttr::getChecked(emitError, context, c.threads);
    if (!cpu && !gpu)
      return failure();
    auto schedule = ScheduleAttr::getChecked(emitError, context, c.query, c.key, c.strip, c.chunk,
                                             c.columns, c.stages, c.form, cpu, gpu);
    if (!schedule)
      return failure();
    op.setScheduleAttr(schedule);
    return success();
  }

  void runOnOperation() override {
    const TargetInfo *info = lookupTarget(target);
    if (!info) {
      getOperation().emitError("unknown target '")
          << target << "'; there are " << llvm::join(targetNames(), ", ");
      return signalPassFailure();
    }
    for (auto op : getOperation().getOps<AttendOp>())
      if (failed(choose(op, *info, traitsOf(op))))
        return signalPassFailure();
    Traits recurrence;
    recurrence.recurs = true;
    for (auto op : getOperation().getOps<RecurOp>())
      if (failed(choose(op, *info, recurrence)))
        return signalPassFailure();
  }
};

} // namespace
} // namespace heddle::attn
