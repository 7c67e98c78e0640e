//===- Compile.cpp - a checked spec and targets to the parts of a library ----------------------===//

#include "codegen/Compile.h"
#include "codegen/CompileVariant.h"
#include "codegen/EmitDescriptor.h"
#include "codegen/EmitHeader.h"
#include "codegen/EmitObject.h"
#include "codegen/Pipeline.h"
#include "dialect/AttnOps.h"
#include "dialect/BuildFromSpec.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace heddle;

std::unique_ptr<MLIRContext> heddle::createContext() {
  DialectRegistry registry;
  registry
      .insert<attn::AttnDialect, affine::AffineDialect, arith::ArithDialect, func::FuncDialect,
              math::MathDialect, memref::MemRefDialect, scf::SCFDialect, tensor::TensorDialect>();
  auto context = std::make_unique<MLIRContext>(registry, MLIRContext::Threading::DISABLED);
  context->loadAllAvailableDialects();
  context->printOpOnDiagnostic(false);
  return context;
}

namespace {
/// Turns the diagnostics of a scope into lines of text; remarks go where they are asked for.
class Collect : public ScopedDiagnosticHandler {
public:
  Collect(MLIRContext *context, std::string &text, std::vector<std::string> *remarks = nullptr)
      : ScopedDiagnosticHandler(context) {
    setHandler([&text, remarks](Diagnostic &diagnostic) {
      bool isRemark = diagnostic.getSeverity() == DiagnosticSeverity::Remark;
      if (isRemark && !remarks)
        return success();
      std::string remark;
      llvm::raw_string_ostream os(isRemark ? remark : text);
      auto print = [&](Diagnostic &d, const char *kind) {
        if (auto place = dyn_cast<FileLineColLoc>(d.getLocation()))
          os << place.getFilename().getValue() << ":" << place.getLine() << ":" << place.getColumn()
             << ": ";
        os << kind << ": " << d << "\n";
      };
      bool warning = diagnostic.getSeverity() == DiagnosticSeverity::Warning;
      print(diagnostic, isRemark ? "remark" : warning ? "warning" : "error");
      for (Diagnostic &note : diagnostic.getNotes())
        print(note, "note");
      if (isRemark)
        remarks->push_back(remark);
      return success();
    });
  }
};

/// Every step has the same arguments.
func::FuncOp anyFunction(ModuleOp module) { return *module.getOps<func::FuncOp>().begin(); }
} // namespace

/// Runs the passes on surface ops. Null: a pass has failed, and told.
static OwningOpRef<ModuleOp> runUntil(OwningOpRef<ModuleOp> module, const TargetInfo &target,
                                      const CompileOptions &options, StringRef stopAfter) {
  if (stopAfter == "surface")
    return module;
  PassManager pm(module->getContext());
  PipelineOptions pipeline;
  pipeline.target = &target;
  pipeline.schedule = options.schedule;
  pipeline.stopAfter = stopAfter.str();
  pipeline.canonicalize = options.canonicalize;
  pipeline.map = !stopAfter.empty();
  pipeline.explain = options.remarks != nullptr;
  buildPipeline(pm, pipeline);
  if (options.timePasses)
    pm.enableTiming();
  if (failed(pm.run(*module)))
    return nullptr;
  return module;
}

OwningOpRef<ModuleOp> heddle::compileUntil(MLIRContext &context, const Spec &spec,
                                           const TargetInfo &target, const CompileOptions &options,
                                           StringRef stopAfter, std::string &error) {
  Collect collect(&context, error, options.remarks);
  return runUntil(buildFromSpec(context, spec), target, options, stopAfter);
}

OwningOpRef<ModuleOp> heddle::compileUntil(MLIRContext &context, const SurfaceText &surface,
                                           const TargetInfo &target, const CompileOptions &options,
                                           StringRef stopAfter, std::string &error) {
  Collect collect(&context, error, options.remarks);
  auto module = parseSourceString<ModuleOp>(surface.text, &context, surface.path);
  if (!module)
    return nullptr;
  auto functions = module->getOps<func::FuncOp>();
  if (functions.empty() || llvm::any_of(functions, [](func::FuncOp f) { return f.isExternal(); })) {
    module->emitError("expected functions of surface ops");
    return nullptr;
  }
  return runUntil(std::move(module), target, options, stopAfter);
}

void heddle::recordMapped(ModuleOp mapped, Variant &variant) {
  llvm::raw_string_ostream os(variant.schedule);
  for (auto function : mapped.getOps<func::FuncOp>()) // steps of a kind have the same
    if (auto schedule = function->getAttrOfType<attn::ScheduleAttr>(
            attn::AttnDialect::ScheduleAttrHelper::getNameStr());
        schedule && variant.schedule.empty())
      os << schedule;
  mapped.walk([&](Operation *op) {
    auto reason = op->getAttrOfType<StringAttr>(attn::AttnDialect::PlainAttrHelper::getNameStr());
    if (!reason)
      return;
    StringRef what = isa<scf::ForallOp>(op) ? "rows one by one" : op->getName().getStringRef();
    std::string words = (what + ": " + reason.getValue()).str();
    if (!llvm::is_contained(variant.plain, words)) // each once
      variant.plain.push_back(words);
  });
}

/// `Source`: a spec or text.
template <typename Source>
static bool compileOne(const Source &source, const CompileOptions &options, Variant &variant,
                       Library &library, std::string &error) {
  std::unique_ptr<MLIRContext> context = createContext();
  CompileOptions own = options;
  own.schedule = variant.wishes;
  OwningOpRef<ModuleOp> mapped = compileUntil(*context, source, *variant.target, own,
                                              passNames(*variant.target).back(), error);
  if (!mapped)
    return false;
  recordMapped(*mapped, variant);
  if (options.requireFast && !variant.plain.empty()) {
    error += "error: " + variant.name() + ": --require=fast, but " + variant.plain.front() + "\n";
    return false;
  }
  Collect collect(context.get(), error);
  return variant.target->kind == TargetKind::Cpu
             ? compileForCpu(*mapped, options, variant, library, error)
             : compileForGpu(*mapped, variant, library, error);
}

static bool addDescriptor(const Spec &spec, Library &library, std::string &error) {
  std::unique_ptr<MLIRContext> context = createContext();
  OwningOpRef<ModuleOp> surface = buildFromSpec(*context, spec);
  KernelAbi abi = KernelAbi::of(anyFunction(*surface).getArgumentTypes());
  llvm::LLVMContext llvmContext;
  auto module = emitDescriptor(llvmContext, spec, abi, library.variants);
  if (!module) {
    error += "error: " + toString(module.takeError()) + "\n";
    return false;
  }
  llvm::Expected<std::string> object = emitCode(**module, baselineTarget(), CodeKind::Object);
  if (!object) {
    error += "error: " + toString(object.takeError()) + "\n";
    return false;
  }
  library.objects.push_back({spec.name + ".o", std::move(*object)});
  return true;
}

std::optional<Library> heddle::compileSpec(const Spec &spec, const CompileOptions &options,
                                           std::string &error) {
  Library library;
  library.name = spec.name;
  std::vector<const TargetInfo *> targets(options.targets.begin(), options.targets.end());
  library.variants = planVariants(spec, targets, options.schedule);
  if (options.sizes)
    keepTaken(library.variants, spec, *options.sizes);
  for (Variant &variant : library.variants)
    if (!compileOne(spec, options, variant, library, error))
      return std::nullopt;
  if (!addDescriptor(spec, library, error))
    return std::nullopt;
  library.header = emitHeader(spec);
  library.manifest = emitManifest(spec, library.variants);
  for (const char *name : {"_info", "_check", "_workspace", "_run"})
    library.exports.push_back(spec.name + name);
  return library;
}

std::optional<Library> heddle::compileText(const SurfaceText &surface,
                                           const CompileOptions &options, std::string &error) {
  Library library;
  library.name = surface.name;
  for (const TargetInfo *target : options.targets) {
    Variant variant;
    variant.kind = "any";
    variant.target = target;
    variant.wishes = options.schedule;
    variant.suffix = "_" + target->name.str();
    llvm::replace(variant.suffix, '-', '_');
    if (!compileOne(surface, options, variant, library, error))
      return std::nullopt;
    library.variants.push_back(std::move(variant));
  }
  return library;
}
