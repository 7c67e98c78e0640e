//===- EmitObject.cpp - modules in the LLVM dialect to machine code ----------------------------===//
//
// Tile bodies are vectors already: LLVM's vectorisers and unroller are off, its module pipeline is the
// smallest one (the same speed as O3, see docs/Rationale.md), its code generator at its best.
//
//===----------------------------------------------------------------------------------------===//

#include "codegen/EmitObject.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Target/TargetOptions.h"
#include "llvm/Transforms/Instrumentation/AddressSanitizer.h"
#include <mutex>

using namespace llvm;
using namespace heddle;

static Error fault(const Twine &message) {
  return createStringError(inconvertibleErrorCode(), message);
}

static Expected<std::unique_ptr<TargetMachine>> createMachine(const TargetInfo &info) {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeNVPTXTargetInfo();
    LLVMInitializeNVPTXTarget();
    LLVMInitializeNVPTXTargetMC();
    LLVMInitializeNVPTXAsmPrinter();
  });
  std::string error;
  Triple triple(info.triple);
  const Target *target = TargetRegistry::lookupTarget(triple, error);
  if (!target)
    return fault(error);
  TargetOptions options;
  options.AllowFPOpFusion = FPOpFusion::Standard;
  return std::unique_ptr<TargetMachine>(
      target->createTargetMachine(triple, info.cpu, info.features, options, Reloc::PIC_,
                                  std::nullopt, CodeGenOptLevel::Aggressive));
}

static void optimise(Module &module, TargetMachine &machine, bool isGpu, bool checkAccesses,
                     bool vectorise) {
  LoopAnalysisManager lam;
  FunctionAnalysisManager fam;
  CGSCCAnalysisManager cam;
  ModuleAnalysisManager mam;
  PipelineTuningOptions tuning;
  tuning.LoopVectorization = tuning.SLPVectorization = vectorise;
  tuning.LoopInterleaving = false;  // short loops over columns would not fill what is interleaved
  tuning.LoopUnrolling = vectorise; // but of loops that ask for it: products in PTX
  PassBuilder builder(&machine, tuning);
  builder.registerModuleAnalyses(mam);
  builder.registerCGSCCAnalyses(cam);
  builder.registerFunctionAnalyses(fam);
  builder.registerLoopAnalyses(lam);
  builder.crossRegisterProxies(lam, fam, cam, mam);
  ModulePassManager passes = isGpu || vectorise
                                 ? builder.buildPerModuleDefaultPipeline(OptimizationLevel::O2)
                                 : builder.buildO0DefaultPipeline(OptimizationLevel::O0);
  if (checkAccesses) {
    for (Function &function : module)
      function.addFnAttr(Attribute::SanitizeAddress);
    passes.addPass(AddressSanitizerPass(AddressSanitizerOptions()));
  }
  passes.run(module, mam);
}

Expected<std::string> heddle::emitCode(mlir::ModuleOp module, const TargetInfo &target,
                                       CodeKind kind, CodeForm form) {
  mlir::registerBuiltinDialectTranslation(*module.getContext());
  mlir::registerLLVMDialectTranslation(*module.getContext());
  LLVMContext context;
  std::unique_ptr<Module> translated = mlir::translateModuleToLLVMIR(module, context, "heddle");
  if (!translated)
    return fault("the module cannot be translated to LLVM IR");
  return emitCode(*translated, target, kind, form);
}

Expected<std::string> heddle::emitCode(Module &module, const TargetInfo &target, CodeKind kind,
                                       CodeForm form) {
  Expected<std::unique_ptr<TargetMachine>> machine = createMachine(target);
  if (!machine)
    return machine.takeError();
  module.setTargetTriple(Triple(target.triple));
  module.setDataLayout((*machine)->createDataLayout());
  bool isGpu = target.kind == TargetKind::Gpu;
  // With a register for the frame LLVM aligns what it spills. Else it depends on the caller where that lies: of 64 bytes
  // in two lines an AMD EPYC forwards none, and a loop took twice as long in half of all processes.
  if (!isGpu)
    for (Function &function : module)
      if (!function.isDeclaration())
        function.addFnAttr("frame-pointer", "all");
  if (!isGpu &&
      form != CodeForm::Loops) // where a division says it may: an estimate and one step of Newton's
    for (Function &function : module)
      if (!function.isDeclaration())
        function.addFnAttr("reciprocal-estimates", "vec-divf:1");
  if (!isGpu && form == CodeForm::Loops)
    for (Function &function : module) {
      // LLVM shies away from its widest registers by default.
      function.addFnAttr("prefer-vector-width", std::to_string(32 * target.lanes));
      // No call of memset for the 64 columns of a row at every token: 2 % of a recurrence on AVX2.
      function.addFnAttr("no-builtins");
    }
  optimise(module, **machine, isGpu, kind == CodeKind::CheckedObject,
           !isGpu && form == CodeForm::Loops);
  SmallVector<char, 0> bytes;
  raw_svector_ostream stream(bytes);
  legacy::PassManager codegen;
  auto type =
      kind == CodeKind::Assembly ? CodeGenFileType::AssemblyFile : CodeGenFileType::ObjectFile;
  if ((*machine)->addPassesToEmitFile(codegen, stream, nullptr, type))
    return fault(Twine("no code of this kind for ") + target.name);
  codegen.run(module);
  return std::string(bytes.begin(), bytes.end());
}

const TargetInfo &heddle::baselineTarget() {
  static const TargetInfo info{
      "x86-64", TargetKind::Cpu, "x86_64-unknown-linux-gnu", "x86-64", "", 1, 0, 4, 16, 256 << 10,
      false};
  return info;
}
