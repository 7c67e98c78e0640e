//===- EmitManifest.cpp - a library described as data ------------------------------------------===//

#include "codegen/EmitHeader.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace heddle;

static void tensorInto(json::OStream &os, const SpecTensor &tensor) {
  os.object([&] {
    os.attribute("name", tensor.name);
    os.attribute("type", StringRef(spelling(*tensor.storage)));
    os.attributeArray("shape", [&] {
      for (const Extent &axis : tensor.axes)
        os.value(axis.text);
    });
  });
}

static void variantInto(json::OStream &os, const Spec &spec, const Variant &variant) {
  os.object([&] {
    os.attribute("name", variant.name());
    os.attribute("target", variant.target->name);
    if (variant.guard >= 0)
      os.attribute("guard", spec.dims[variant.guard].name + " <= " + std::to_string(variant.last));
    os.attribute("schedule", variant.schedule);
    os.attribute("p_type", "f32");
    os.attribute("accumulator_type", "f32");
    os.attribute("scratch_bytes_per_thread", variant.scratchBytes);
    os.attributeArray("plain", [&] {
      for (const std::string &reason : variant.plain)
        os.value(reason);
    });
    os.attributeArray("stages", [&] {
      for (const VariantStage &stage : variant.stages)
        os.object([&] {
          os.attribute("entry", stage.entry.empty() ? stage.item : stage.entry);
          if (stage.threads)
            os.attribute("threads", stage.threads);
        });
    });
  });
}

std::string heddle::emitManifest(const Spec &spec, ArrayRef<Variant> variants) {
  std::string text;
  raw_string_ostream stream(text);
  json::OStream os(stream, 2);
  os.object([&] {
    os.attribute("heddle", 1);
    os.attribute("name", spec.name);
    os.attributeObject("dims", [&] {
      for (const SpecDim &dim : spec.dims)
        if (dim.isCompileTime())
          os.attribute(dim.name, dim.size);
        else
          os.attribute(dim.name, dim.expr ? toString(dim.expr) : "any");
    });
    os.attributeArray("inputs", [&] {
      for (const SpecTensor &tensor : spec.tensors)
        if (tensor.isInput())
          tensorInto(os, tensor);
    });
    os.attributeArray("results", [&] {
      for (const std::string &name : spec.results)
        tensorInto(os, *spec.findTensor(name));
    });
    os.attributeArray("args", [&] {
      for (const std::string &word : argumentWords(spec))
        os.value(word);
    });
    os.attributeArray("variants", [&] {
      for (const Variant &variant : variants)
        variantInto(os, spec, variant);
    });
    os.attributeObject("contract", [&] {
      os.attribute("element", "|got - ref64| <= r * E + 2 ulp(S)");
      os.attribute("r_16_bit", 1);
      os.attribute("r_f32", 3);
      os.attribute("lse", "4e-6 + 2e-6 |lse|");
    });
  });
  stream << "\n";
  return text;
}
