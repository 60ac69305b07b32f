#include "expand/expand.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>
#include <vector>

#include "expand/failure.h"
#include "expand/files.h"
#include "expand/plan.h"
#include "expand/rewrite.h"
#include "expand/system.h"

namespace onnxdc::expansion {
namespace {

constexpr size_t kBlock = 1 << 20;  // bytes of a file that are copied at a time

void check_size(uint64_t nbytes, const Limits& limits) {
    if (nbytes <= limits.message_nbytes) return;
    throw Failure{ONNXDC_TOO_LARGE, "a model of " + std::to_string(nbytes) + " bytes, expected at most " +
                                        std::to_string(limits.message_nbytes)};
}

// The data of a tensor that lie in another file, and are to be copied.
class CopiedData final : public Payload {
public:
    CopiedData(const InputFile& file, const Location& location) : file_(file), location_(location) {}

    uint64_t nbytes() const override { return location_.length; }

    void write(Scratch* scratch, const Writer& writer) override {
        uint8_t* block = scratch->at_least(kBlock);
        for (uint64_t done = 0; done < location_.length;) {
            const auto some = static_cast<size_t>(std::min<uint64_t>(kBlock, location_.length - done));
            file_.read(location_.offset + done, some, block);
            writer({block, some});
            done += some;
        }
    }

private:
    const InputFile& file_;
    const Location location_;
};

// Expands a model that lies in a file.
class FileExpansion {
public:
    FileExpansion(const std::string& path, const Limits& limits)
        : limits_(limits),
          file_(path, ONNXDC_FILE),
          bytes_(read_all(file_, limits)),
          budget_(limits.dense_nbytes, file_.size()),
          external_(path, &budget_),
          model_(parse_model({bytes_.get(), static_cast<size_t>(file_.size())})),
          weights_(plan_model(&model_, &external_, &budget_)),
          folder_(folder_of(path)) {}

    void write(const std::string& path) {
        OutputFile out(path);
        check_is_another(out, path);
        Keeper keeper;
        DataLayout data;
        Message message = rewrite_model(model_, weights_, &keeper, &data);
        const bool too_large = message.size() > limits_.message_nbytes;
        if (too_large || !lies_in_same_folder(path)) move_external_data(&model_.graph);
        if (too_large || !moved_.empty()) {
            data.file = name_of(path) + ".data";
            message = rewrite_model(model_, weights_, &keeper, &data);
            check_size(message.size(), limits_);
        }
        Scratch scratch;
        std::unique_ptr<OutputFile> data_out;
        if (!data.parts.empty()) {
            const std::string data_path = folder_of(path) + "/" + data.file;
            data_out = std::make_unique<OutputFile>(data_path);
            check_is_another(*data_out, data_path);
            write_data(data, &scratch, data_out.get());
        }
        message.write(&scratch, [&](Bytes bytes) { out.write(bytes); });
        if (data_out) data_out->finish();
        out.finish();
    }

private:
    static std::unique_ptr<uint8_t[]> read_all(const InputFile& file, const Limits& limits) {
        check_size(file.size(), limits);
        std::unique_ptr<uint8_t[]> bytes(new uint8_t[static_cast<size_t>(file.size())]);
        file.read(0, static_cast<size_t>(file.size()), bytes.get());
        return bytes;
    }

    // Whether what the model says of external data is right for a file there, too.
    bool lies_in_same_folder(const std::string& path) const {
        system::Status own, other;
        return system::get_status(folder_, &own) && system::get_status(folder_of(path), &other) &&
               own.is_same_file(other);
    }

    void move_external_data(Graph* graph) {
        for (Tensor& tensor : graph->initializers) {
            if (!tensor.external || tensor.dropped) continue;
            Location location = read_location(tensor.message, tensor.name);
            const InputFile& file = external_.open(location.file, tensor.name);
            if (!location.has_length && location.offset <= file.size()) location.length = file.size() - location.offset;
            if (location.offset > file.size() || location.length > file.size() - location.offset)
                throw Failure{ONNXDC_EXTERNAL_DATA, shown(tensor.name) + ": its external data are cut off"};
            moved_.push_back(std::make_unique<CopiedData>(file, location));
            tensor.moved = moved_.back().get();
            graph->changed = true;
        }
        for (Node& node : graph->nodes) {
            for (Graph& inner : node.graphs) {
                move_external_data(&inner);
                graph->changed |= inner.changed;
            }
        }
    }

    void check_is_another(const OutputFile& out, const std::string& path) const {
        if (out.replaces() && (file_.is(out.replaced()) || external_.has_opened(out.replaced())))
            throw Failure{ONNXDC_FILE, shown(path) + ": expected another file than the model's own"};
    }

    static void write_data(const DataLayout& data, Scratch* scratch, OutputFile* out) {
        for (const DataLayout::Part& part : data.parts) {
            out->seek(part.offset);
            part.payload->write(scratch, [&](Bytes bytes) { out->write(bytes); });
        }
    }

    const Limits limits_;
    const InputFile file_;
    const std::unique_ptr<uint8_t[]> bytes_;
    Budget budget_;
    FolderData external_;
    Model model_;
    const Weights weights_;
    const std::string folder_;
    std::vector<std::unique_ptr<CopiedData>> moved_;
};

}  // namespace

Buffer expand_buffer(Bytes model, const Limits& limits) {
    check_size(model.size, limits);
    NoData external;
    Budget budget(limits.dense_nbytes, model.size);
    Model parsed = parse_model(model);
    const Weights weights = plan_model(&parsed, &external, &budget);
    Keeper keeper;
    DataLayout data;
    const Message message = rewrite_model(parsed, weights, &keeper, &data);
    check_size(message.size(), limits);
    Buffer out;
    out.size = static_cast<size_t>(message.size());
    out.bytes.reset(static_cast<uint8_t*>(std::malloc(out.size)));
    if (!out.bytes) throw std::bad_alloc();
    uint8_t* end = out.bytes.get();
    Scratch scratch;
    message.write(&scratch, [&](Bytes bytes) {
        std::memcpy(end, bytes.data, bytes.size);
        end += bytes.size;
    });
    return out;
}

void expand_file(const std::string& model_path, const std::string& out_path, const Limits& limits) {
    FileExpansion(system::normal(model_path), limits).write(system::normal(out_path));
}

}  // namespace onnxdc::expansion
