//===- Pipeline.cpp - the whole story on one page ----------------------------------------------===//

#include "codegen/Pipeline.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "mlir/Transforms/Passes.h"
#include "passes/Passes.h"

using namespace mlir;
using namespace heddle;

namespace {

/// Adds passes by name until the one to stop after; or only lists the names.
class Stages {
public:
  Stages(OpPassManager *functions, const PipelineOptions &options)
      : functions(functions), options(options) {}

  void add(StringRef name, std::unique_ptr<Pass> pass) {
    names.push_back(name);
    if (!functions || stopped)
      return;
    functions->addPass(std::move(pass));
    if (tiled)
      functions->addPass(attn::createCheckTileLevel());
    if (name != options.stopAfter)
      return;
    stopped = true;
  }
  /// Once per stage, for speed and for readers: no pass of ours needs it.
  void cleanUp() {
    if (!functions || stopped || !options.canonicalize)
      return;
    // A grid of one item is a grid: stages are made of them.
    functions->addPass(createCanonicalizerPass(
        GreedyRewriteConfig(), {"(anonymous namespace)::ForallOpSingleOrZeroIterationDimsFolder"}));
    functions->addPass(createCSEPass());
    functions->addPass(createLoopInvariantCodeMotionPass());
  }
  const PipelineOptions &wish() { return options; }
  SmallVector<StringRef> names;
  bool tiled = false; // from TileRecur to PipelineTiles: only tile ops may stand there

private:
  OpPassManager *functions;
  const PipelineOptions &options;
  bool stopped = false;
};

/// Surface ops, as simple as they get without knowing the machine.
void simplify(Stages &stages) {
  stages.add("fold-scale", attn::createFoldScale());
  stages.add("drop-full-mask", attn::createDropFullMask());
}

/// Every surface op has its #attn.schedule; nothing later chooses a size.
void choose(Stages &stages) {
  attn::ChooseScheduleOptions options;
  options.target = stages.wish().target->name.str();
  options.set = stages.wish().schedule;
  stages.add("choose-schedule", attn::createChooseSchedule(options));
}

/// Tile ops on memory; full tiles apart from boundary ones; reads where they are made once.
void tile(Stages &stages) {
  stages.add("tile-attend", attn::createTileAttend());
  stages.tiled = true;
  stages.add("tile-recur", attn::createTileRecur());
  stages.add("lower-sparsity", attn::createLowerSparsity({stages.wish().explain}));
  stages.add("split-intra-inter", attn::createSplitIntraInter());
  stages.add("peel-tiles", attn::createPeelTiles());
  stages.cleanUp();
  stages.add("hoist-reads", attn::createHoistReads());
  stages.add("pipeline-tiles", attn::createPipelineTiles());
  stages.cleanUp();
  stages.tiled = false;
}

/// Every tile has its home. Here, and only here, the roads of the machines part.
void map(Stages &stages) {
  if (!stages.wish().map)
    return;
  if (stages.wish().target->kind == TargetKind::Cpu) {
    stages.add("cut-products", attn::createCutProducts());
    stages.add("map-to-cpu", attn::createMapToCpu());
  } else {
    stages.add("map-to-gpu", attn::createMapToGpu());
  }
}

void build(Stages &stages) {
  simplify(stages);
  choose(stages);
  tile(stages);
  map(stages);
}

} // namespace

void heddle::buildPipeline(OpPassManager &module, const PipelineOptions &options) {
  Stages stages(&module.nest<func::FuncOp>(), options);
  build(stages);
}

SmallVector<StringRef> heddle::passNames(const TargetInfo &target) {
  PipelineOptions options;
  options.target = &target;
  Stages stages(nullptr, options);
  build(stages);
  return stages.names;
}
