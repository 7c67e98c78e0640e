//===- Module.cpp - the kernels of a PTX text --------------------------------------------------===//

#include "runtime/emulator/Parser.h"

using namespace heddle::ptx;

Module::Module() = default;
Module::~Module() = default;

std::unique_ptr<Module> Module::parse(std::string_view text, std::string &error) {
  std::unique_ptr<Module> module(new Module);
  try {
    Parser(text, *module).run();
  } catch (const std::string &why) {
    error = why;
    return nullptr;
  }
  return module;
}

const Kernel *Module::find(std::string_view kernel) const {
  auto found = kernels.find(kernel);
  return found == kernels.end() ? nullptr : found->second.get();
}

std::vector<std::string> Module::kernelNames() const {
  std::vector<std::string> names;
  for (const auto &entry : kernels)
    names.push_back(entry.first);
  return names;
}
