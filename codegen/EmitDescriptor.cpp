//===- EmitDescriptor.cpp - the constant that tells the runtime what a library is --------------===//
//
// Every field is one 8-byte word (runtime/include/heddle_kernel.h), so a struct is an array of words:
// integers, or pointers to other constants.
//
//===----------------------------------------------------------------------------------------===//

#include "codegen/EmitDescriptor.h"
#include "dialect/IntegerRange.h"
#include "runtime/include/heddle_kernel.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Module.h"

using namespace llvm;
using namespace heddle;

namespace {
using Words = SmallVector<Constant *>;

class DescriptorBuilder {
public:
  DescriptorBuilder(Module &module, const Spec &spec, const KernelAbi &abi,
                    ArrayRef<Variant> variants)
      : module(module), spec(spec), abi(abi), variants(variants), b(module.getContext()) {}
  Error build();

private:
  Constant *number(int64_t value) { return b.getInt64(value); }
  Constant *null() { return ConstantPointerNull::get(b.getPtrTy()); }
  Constant *text(StringRef bytes);
  Constant *pointerTo(const Words &words, const Twine &name);
  Constant *function(StringRef symbol, Type *result, ArrayRef<Type *> arguments);
  void collectValues();
  void dims(Words &words);
  void tensors(Words &words);
  Constant *axes(const SpecTensor &tensor);
  void params(Words &words);
  void requirements(Words &words);
  void temporaries(Words &words);
  void tensorInto(Words &words, const SpecTensor &tensor, size_t argument);
  Constant *workspace(const Variant &variant);
  Constant *stages(const Variant &variant);
  void variantsInto(Words &words);
  void entries(Constant *descriptor);

  Module &module;
  const Spec &spec;
  const KernelAbi &abi;
  ArrayRef<Variant> variants;
  IRBuilder<> b;
  CallValues values;
  std::map<std::string, int64_t> known;       // compile-time dims
  std::map<std::string, int64_t> placeOfSize; // by the text of an axis
  std::vector<std::string> texts;             // of requirements
  StringMap<Constant *> strings;
  std::vector<const SpecTensor *> arguments; // inputs, then results
  std::vector<const SpecTensor *> inside;    // temporaries
  int64_t count[4] = {};                     // dims, tensors, params, requirements
};
} // namespace

Constant *DescriptorBuilder::text(StringRef bytes) {
  Constant *&known = strings[bytes];
  if (!known)
    known = b.CreateGlobalString(bytes, "", 0, &module);
  return known;
}

Constant *DescriptorBuilder::pointerTo(const Words &words, const Twine &name) {
  if (words.empty())
    return null();
  Constant *init = ConstantStruct::getAnon(module.getContext(), words);
  auto *global = new GlobalVariable(module, init->getType(), true, GlobalValue::InternalLinkage,
                                    init, spec.name + "_" + name);
  global->setAlignment(Align(8));
  return global;
}

/// A function of the variant's code.
Constant *DescriptorBuilder::function(StringRef symbol, Type *result, ArrayRef<Type *> arguments) {
  auto *type = FunctionType::get(result, arguments, false);
  return cast<Constant>(module.getOrInsertFunction(symbol, type).getCallee());
}

void DescriptorBuilder::collectValues() {
  for (const SpecDim &dim : spec.dims) {
    if (dim.isCompileTime())
      known[dim.name] = dim.size;
    values.derived.push_back(dim.isCompileTime() ? nullptr : dim.expr);
  }
  arguments = spec.arguments();
  inside = spec.temporaries();
  int64_t params = count_if(spec.params, [](const SpecParam &param) { return param.isRuntime; });
  values.firstSize = spec.dims.size() + params;
  std::vector<const SpecTensor *> all = arguments;
  all.insert(all.end(), inside.begin(), inside.end());
  for (const SpecTensor *tensor : all)
    for (const Extent &axis : tensor->axes)
      if (axis.size->kind != ExprKind::Dim && !evaluateSize(*axis.size, known) &&
          !placeOfSize.count(axis.text)) {
        placeOfSize[axis.text] = values.firstSize + values.sizes.size();
        values.sizes.push_back(axis.size);
      }
  values.firstRequirement = values.firstSize + values.sizes.size();
  for (const SpecRequire &require : spec.requires_) {
    values.requirements.push_back(require.condition);
    texts.push_back(require.text);
  }
  values.count = values.firstRequirement + values.requirements.size();
}

void DescriptorBuilder::dims(Words &words) {
  unsigned slot = arguments.size() + inside.size();
  for (size_t i = 0; i < spec.dims.size(); ++i) {
    const SpecDim &dim = spec.dims[i];
    int64_t kind = HEDDLE_DIM_ARGUMENT, tensor = 0;
    if (dim.isCompileTime())
      kind = HEDDLE_DIM_FIXED;
    else if (values.derived[i])
      kind = HEDDLE_DIM_DERIVED;
    else if (!dim.tensor.empty()) {
      kind = HEDDLE_DIM_TENSOR;
      tensor =
          find_if(arguments, [&](auto *t) { return t->name == dim.tensor; }) - arguments.begin();
    }
    int64_t place = dim.isCompileTime() ? -1 : int64_t(abi.arguments[slot++].firstSlot);
    words.append({text(dim.name), number(kind), number(dim.size), number(tensor),
                  number(std::max(dim.axis, 0)), number(place)});
  }
  count[0] = spec.dims.size();
}

Constant *DescriptorBuilder::axes(const SpecTensor &tensor) {
  Words words;
  for (const Extent &axis : tensor.axes) {
    std::optional<int64_t> fixed = evaluateSize(*axis.size, known);
    int64_t place = 0;
    if (!fixed && axis.size->kind == ExprKind::Dim)
      place = find_if(spec.dims, [&](const SpecDim &d) { return d.name == axis.size->name; }) -
              spec.dims.begin();
    else if (!fixed)
      place = placeOfSize.at(axis.text);
    words.append({text(axis.text), number(fixed.value_or(-1)), number(place)});
  }
  return pointerTo(words, tensor.name + "_axes");
}

/// What the language computes with, where there is no type: f32, integers, a byte.
static std::pair<int64_t, int64_t> typeOf(const Spec &spec, const SpecTensor &tensor) {
  if (!tensor.storage)
    return tensor.type == ExprType::Float ? std::pair(HEDDLE_FLOAT, 32)
           : tensor.type == ExprType::Int ? std::pair(HEDDLE_INT, isWide(spec, tensor) ? 64 : 32)
                                          : std::pair(HEDDLE_BOOL, 8);
  switch (*tensor.storage) {
  case StorageType::F32:
    return {HEDDLE_FLOAT, 32};
  case StorageType::F16:
    return {HEDDLE_FLOAT, 16};
  case StorageType::BF16:
    return {HEDDLE_BFLOAT, 16};
  case StorageType::I8:
    return {HEDDLE_INT, 8};
  case StorageType::I32:
    return {HEDDLE_INT, 32};
  case StorageType::Bool:
    return {HEDDLE_BOOL, 8};
  }
  llvm_unreachable("all storage types are above");
}

/// `argument`: its number among the function's arguments.
void DescriptorBuilder::tensorInto(Words &words, const SpecTensor &tensor, size_t argument) {
  auto [code, bits] = typeOf(spec, tensor);
  words.append({text(tensor.name), number(!tensor.isInput()), number(code), number(bits),
                number(tensor.axes.size()), axes(tensor),
                number(abi.arguments[argument].firstSlot)});
}

void DescriptorBuilder::tensors(Words &words) {
  for (size_t i = 0; i < arguments.size(); ++i)
    tensorInto(words, *arguments[i], i);
  count[1] = arguments.size();
}

void DescriptorBuilder::temporaries(Words &words) {
  for (size_t i = 0; i < inside.size(); ++i) {
    tensorInto(words, *inside[i], arguments.size() + i);
    words.append({number(inside[i]->step), number(inside[i]->lastStep)});
  }
}

void DescriptorBuilder::params(Words &words) {
  size_t slot = abi.arguments.size();
  for (const SpecParam &param : spec.params)
    slot -= param.isRuntime;
  for (const SpecParam &param : spec.params)
    if (param.isRuntime) {
      words.append({text(param.name), number(param.value.type == ExprType::Float),
                    number(abi.arguments[slot++].firstSlot)});
      ++count[2];
    }
}

void DescriptorBuilder::requirements(Words &words) {
  for (auto [i, condition] : enumerate(texts))
    words.append({text(condition), number(values.firstRequirement + i)});
  count[3] = texts.size();
}

/// Steps follow each other and share what each needs: the most of them.
Constant *DescriptorBuilder::workspace(const Variant &variant) {
  Type *i64 = b.getInt64Ty(), *pointer = b.getPtrTy();
  if (variant.workspaces.size() == 1)
    return function(variant.workspaces.front(), i64, {pointer});
  auto *made =
      Function::Create(FunctionType::get(i64, {pointer}, false), GlobalValue::InternalLinkage,
                       spec.name + variant.suffix + "_workspace", module);
  b.SetInsertPoint(BasicBlock::Create(module.getContext(), "", made));
  Value *most = b.getInt64(0);
  for (const std::string &symbol : variant.workspaces) {
    FunctionCallee callee = module.getOrInsertFunction(symbol, made->getFunctionType());
    Value *bytes = b.CreateCall(callee, {made->getArg(0)});
    most = b.CreateSelect(b.CreateICmpUGT(bytes, most), bytes, most); // a wrapped one is the most
  }
  b.CreateRet(most);
  return made;
}

Constant *DescriptorBuilder::stages(const Variant &variant) {
  Type *pointer = b.getPtrTy(), *none = b.getVoidTy();
  Words words;
  for (const VariantStage &stage : variant.stages) {
    words.push_back(function(stage.grid, none, {pointer, pointer}));
    words.push_back(stage.item.empty()
                        ? null()
                        : function(stage.item, none, {pointer, b.getInt64Ty(), pointer, pointer}));
    words.push_back(stage.entry.empty() ? null() : text(stage.entry));
    words.append({number(stage.threads), number(stage.sharedBytes)});
  }
  return pointerTo(words, "stages" + variant.suffix);
}

void DescriptorBuilder::variantsInto(Words &words) {
  StringMap<Constant *> sources; // one PTX text per target
  for (const Variant &variant : variants) {
    bool gpu = variant.target->kind == TargetKind::Gpu;
    words.append({text(variant.name()), number(gpu ? HEDDLE_CUDA : HEDDLE_CPU),
                  number(gpu ? variant.target->sm : variant.target->cpuLevel),
                  number(variant.first), number(variant.last), number(variant.guard),
                  number(variant.scratchBytes), workspace(variant), number(variant.stages.size()),
                  stages(variant), variant.ptx.empty() ? null() : text(variant.ptx)});
  }
}

/// NAME_info and the three functions that hand the descriptor to the runtime.
void DescriptorBuilder::entries(Constant *descriptor) {
  Type *pointer = b.getPtrTy(), *i32 = b.getInt32Ty();
  auto open = [&](const std::string &name, Type *result, ArrayRef<Type *> arguments) {
    auto *made = Function::Create(FunctionType::get(result, arguments, false),
                                  GlobalValue::ExternalLinkage, spec.name + name, module);
    b.SetInsertPoint(BasicBlock::Create(module.getContext(), "", made));
    return made;
  };
  open("_info", pointer, {});
  b.CreateRet(descriptor);
  for (auto [name, extra] : {std::pair("_check", 0), {"_workspace", 1}, {"_run", 0}}) {
    SmallVector<Type *> types(1 + extra, pointer);
    Function *made = open(name, i32, types);
    SmallVector<Type *> calleeTypes(2 + extra, pointer);
    FunctionCallee callee = module.getOrInsertFunction(std::string("heddle_kernel") + name,
                                                       FunctionType::get(i32, calleeTypes, false));
    SmallVector<Value *> passed{descriptor};
    for (Argument &argument : made->args())
      passed.push_back(&argument);
    b.CreateRet(b.CreateCall(callee, passed));
  }
}

Error DescriptorBuilder::build() {
  auto fault = [](const Twine &message) {
    return createStringError(inconvertibleErrorCode(), message);
  };
  collectValues();
  if (abi.numSlots > HEDDLE_MAX_SLOTS || values.count > HEDDLE_MAX_VALUES)
    return fault("the spec has " + Twine(abi.numSlots) + " slots and " + Twine(values.count) +
                 " sizes; a call holds at most " + Twine(int(HEDDLE_MAX_SLOTS)) + " and " +
                 Twine(int(HEDDLE_MAX_VALUES)));
  Constant *derive = null();
  bool anyDerived = any_of(values.derived, [](const ExprRef &expr) { return bool(expr); });
  if (anyDerived || !values.sizes.empty() || !values.requirements.empty())
    derive = emitDerive(module, spec, values);
  Words dimWords, tensorWords, temporaryWords, paramWords, requirementWords, variantWords;
  dims(dimWords);
  tensors(tensorWords);
  temporaries(temporaryWords);
  params(paramWords);
  requirements(requirementWords);
  variantsInto(variantWords);
  Words all{number(HEDDLE_KERNEL_ABI), text(spec.name), number(abi.numSlots), number(values.count)};
  all.append({number(count[0]), pointerTo(dimWords, "dims")});
  all.append({number(count[1]), pointerTo(tensorWords, "tensors")});
  all.append({number(inside.size()), pointerTo(temporaryWords, "temporaries")});
  all.append({number(count[2]), pointerTo(paramWords, "params")});
  all.append({number(count[3]), pointerTo(requirementWords, "requirements")});
  all.append({derive, number(variants.size()), pointerTo(variantWords, "variants")});
  static_assert(sizeof(heddle_kernel) == 17 * 8 && sizeof(heddle_kernel_variant) == 11 * 8 &&
                    sizeof(heddle_kernel_stage) == 5 * 8 && sizeof(heddle_kernel_dim) == 6 * 8 &&
                    sizeof(heddle_kernel_tensor) == 7 * 8 &&
                    sizeof(heddle_kernel_temporary) == 9 * 8 &&
                    sizeof(heddle_kernel_axis) == 3 * 8 && sizeof(heddle_kernel_param) == 3 * 8,
                "the words above are the fields of heddle_kernel.h");
  entries(pointerTo(all, "kernel"));
  return Error::success();
}

Expected<std::unique_ptr<Module>> heddle::emitDescriptor(LLVMContext &context, const Spec &spec,
                                                         const KernelAbi &abi,
                                                         ArrayRef<Variant> variants) {
  auto module = std::make_unique<Module>(spec.name, context);
  if (Error error = DescriptorBuilder(*module, spec, abi, variants).build())
    return std::move(error);
  return std::move(module);
}
