// Models in files: external data, results that are too large for one file, and what is left when something fails.
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "check.h"
#include "expand/expand.h"
#include "expand/failure.h"
#include "expand/tensor.h"
#include "model_builder.h"

using namespace onnxdc;
using namespace onnxdc::expansion;

namespace {

// A folder that is gone in the end, with all files and folders in it.
class Folder {
public:
    explicit Folder(const std::string& in = "/tmp") {
        path_ = in + "/onnxdc.test.XXXXXX";
        if (!mkdtemp(path_.data())) std::abort();
    }
    ~Folder() {
        for (const auto& name : names()) remove((path_ + "/" + name).c_str());
        rmdir(path_.c_str());
    }

    std::string at(const std::string& name) const { return path_ + "/" + name; }

    void write(const std::string& name, const std::string& bytes) const { std::ofstream(at(name)) << bytes; }

    std::string read(const std::string& name) const {
        std::ifstream file(at(name));
        return {std::istreambuf_iterator<char>(file), {}};
    }

    std::vector<std::string> names() const {
        std::vector<std::string> names;
        DIR* folder = opendir(path_.c_str());
        while (const dirent* entry = readdir(folder)) {
            const std::string name = entry->d_name;
            if (name != "." && name != "..") names.push_back(name);
        }
        closedir(folder);
        std::sort(names.begin(), names.end());
        return names;
    }

private:
    std::string path_;
};

// The error, empty if there was none.
std::string expand(const std::string& model, const std::string& out, const Limits& limits = {}) {
    try {
        expand_file(model, out, limits);
        return "";
    } catch (const Failure& failure) {
        return failure.text;
    }
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string model_of(const Proto& graph) { return model_proto(graph).bytes(); }

Proto external_tensor(const std::string& name, const TestTensor& tensor, const std::string& location,
                      const std::string& offset) {
    Proto proto;
    for (const int64_t dim : tensor.dims) proto.number(kTensorDims, static_cast<uint64_t>(dim));
    proto.number(kTensorType, static_cast<uint64_t>(tensor.type)).text(kTensorName, name);
    return proto.message(kTensorExternal, entry_proto("location", location))
        .message(kTensorExternal, entry_proto("offset", offset))
        .message(kTensorExternal, entry_proto("length", std::to_string(tensor.bytes.size())))
        .number(kTensorLocation, 1);
}

// A compressed weight whose codes lie in a file, and a plain tensor that does, too.
Proto external_graph(const TestGroup& group, const std::string& location, const std::string& offset = "2") {
    Proto graph;
    const auto names = group_names("w");
    const auto tensors = group.tensors();
    for (size_t i = 0; i < names.size(); ++i) {
        graph.message(kGraphInitializer, i == 3 ? external_tensor(names[i], *tensors[i], location, offset)
                                                : tensor_proto(names[i], *tensors[i]));
    }
    return graph.message(kGraphNode, decode_node("w", group, "w")).message(kGraphOutput, value("w"));
}

std::string data_of(const TestGroup& group) { return "--" + text_of(group.codes.bytes) + "plain tensor"; }

TestTensor plain_tensor() {
    TestTensor tensor{kUint8, {5}, {'p', 'l', 'a', 'i', 'n'}, {}};
    return tensor;
}

void test_a_file_is_what_a_buffer_is() {
    const Folder folder;
    const std::string model = model_of(small_graph(small_group()));
    folder.write("in", model);
    folder.write("out", "old");
    chmod(folder.at("out").c_str(), 0640);
    CHECK(expand(folder.at("in"), folder.at("out")) == "");
    const Buffer buffer = expand_buffer(bytes_of(model), {});
    CHECK(folder.read("out") == std::string(reinterpret_cast<const char*>(buffer.bytes.get()), buffer.size));
    CHECK(folder.read("in") == model);
    struct stat status;
    CHECK(stat(folder.at("out").c_str(), &status) == 0 && (status.st_mode & 0777) == 0640);
    CHECK((folder.names() == std::vector<std::string>{"in", "out"}));
}

void test_failures_leave_nothing() {
    const Folder folder;
    TestGroup group = small_group();
    group.set_shape({2, 3});
    const std::string damaged = model_of(small_graph(group));
    folder.write("damaged", damaged);
    folder.write("old", "old");
    CHECK(contains(expand(folder.at("damaged"), folder.at("old")), "w: position"));
    CHECK(folder.read("old") == "old");
    CHECK(contains(expand(folder.at("damaged"), folder.at("new")), "w: position"));
    CHECK(contains(expand(folder.at("damaged"), folder.at("large"), {0, damaged.size() + 20}), "w: position"));
    CHECK(contains(expand(folder.at("missing"), folder.at("new")), "missing: No such file"));
    CHECK(contains(expand(folder.at("."), folder.at("new")), "expected a regular file"));
    CHECK(contains(expand(folder.at("damaged"), folder.at("none/new")), "No such file"));
    CHECK(contains(expand(folder.at("damaged"), folder.at(".")), "expected a regular file, or none"));
    CHECK((folder.names() == std::vector<std::string>{"damaged", "old"}));
}

void test_pipes_do_not_block() {
    const Folder folder;
    CHECK(mkfifo(folder.at("pipe").c_str(), 0600) == 0);
    CHECK(contains(expand(folder.at("pipe"), folder.at("new")), "expected a regular file"));
    folder.write("in", model_of(external_graph(small_group(), "pipe")));
    CHECK(contains(expand(folder.at("in"), folder.at("new")), "expected a regular file"));
}

void test_the_input_is_never_replaced() {
    const Folder folder;
    const std::string model = model_of(small_graph(small_group()));
    folder.write("in", model);
    CHECK(symlink("in", folder.at("link").c_str()) == 0);
    CHECK(link(folder.at("in").c_str(), folder.at("hard").c_str()) == 0);
    for (const char* out : {"in", "link", "hard"})
        CHECK(contains(expand(folder.at("in"), folder.at(out)), "expected another file than the model's own"));
    CHECK(folder.read("in") == model);
    CHECK((folder.names() == std::vector<std::string>{"hard", "in", "link"}));
}

void test_external_data_are_read() {
    const Folder folder, other;
    const TestGroup group = small_group();
    folder.write("in", model_of(external_graph(group, "data")));
    folder.write("data", data_of(group));
    CHECK(expand(folder.at("in"), folder.at("out")) == "");
    CHECK(contains(folder.read("out"), std::string("\x00\x00\xc0\x3f", 4)));
    // A model that is a link finds its data where the link leads to.
    CHECK(symlink(folder.at("in").c_str(), other.at("link").c_str()) == 0);
    CHECK(expand(other.at("link"), other.at("out")) == "");
    CHECK(other.read("out") == folder.read("out"));
}

void test_external_data_that_are_not_allowed() {
    const Folder folder, other;
    const TestGroup group = small_group();
    other.write("data", data_of(group));
    CHECK(symlink(other.at("data").c_str(), folder.at("link").c_str()) == 0);
    const std::string up = "../" + other.at("data").substr(5);
    for (const std::string& location : {other.at("data"), up, std::string("x/../../data"), std::string("link"),
                                        std::string(""), std::string("a\0b", 3)}) {
        folder.write("in", model_of(external_graph(group, location)));
        CHECK(contains(expand(folder.at("in"), folder.at("out")), "expected a path below the folder of the model"));
    }
    folder.write("in", model_of(external_graph(group, "missing")));
    CHECK(contains(expand(folder.at("in"), folder.at("out")), "missing: No such file"));
    folder.write("data", data_of(group));
    for (const char* offset : {"15", "100", "999999999999999999"}) {
        folder.write("in", model_of(external_graph(group, "data", offset)));
        CHECK(contains(expand(folder.at("in"), folder.at("out")), "w.3: external data data: expected 8 bytes from"));
    }
    for (const char* offset : {"-1", "", "1e3", "18446744073709551616"}) {
        folder.write("in", model_of(external_graph(group, "data", offset)));
        CHECK(contains(expand(folder.at("in"), folder.at("out")), "expected an integer for offset"));
    }
    CHECK((folder.names() == std::vector<std::string>{"data", "in", "link"}));
}

// Where the data of an initializer of a file lie.
Location location_of(const std::string& bytes, size_t number) {
    const Model model = parse_model(bytes_of(bytes));
    const Tensor& tensor = model.graph.initializers.at(number);
    Location location = read_location(tensor.message, tensor.name);
    CHECK(tensor.external && location.has_length);
    CHECK(location.file == "out.data");
    location.file = {};
    return location;
}

void test_large_models_have_their_weights_next_to_them() {
    const Folder folder;
    TestGroup group = small_group();
    group.set_shape({100, 100});
    Proto graph = small_graph(group);
    add_group("v", group, &graph);
    graph.message(kGraphNode, decode_node("v", group, "v"));
    folder.write("in", model_of(graph));
    CHECK(expand(folder.at("in"), folder.at("out"), {0, 10000}) == "");
    CHECK((folder.names() == std::vector<std::string>{"in", "out", "out.data"}));
    const std::string out = folder.read("out"), data = folder.read("out.data");
    CHECK(out.size() < 1000);
    const std::string whole = [&] {
        const Buffer buffer = expand_buffer(bytes_of(folder.read("in")), {});
        return std::string(reinterpret_cast<const char*>(buffer.bytes.get()), buffer.size);
    }();
    for (const size_t number : {size_t{0}, size_t{1}}) {
        const Location location = location_of(out, number);
        CHECK(location.offset % 4096 == 0 && location.length == 40000);
        CHECK(location.offset + location.length <= data.size());
        CHECK(contains(whole, data.substr(location.offset, location.length)));
    }
    // What is there already is replaced.
    CHECK(expand(folder.at("in"), folder.at("out"), {0, 10000}) == "");
    CHECK((folder.names() == std::vector<std::string>{"in", "out", "out.data"}));
    CHECK(contains(expand(folder.at("in"), folder.at("out"), {0, 100}), "a model of"));
}

void test_external_data_come_along_to_another_folder() {
    const Folder folder, other;
    const TestGroup group = small_group();
    Proto graph =
        external_graph(group, "data").message(kGraphInitializer, external_tensor("p", plain_tensor(), "data", "10"));
    folder.write("in", model_of(graph));
    folder.write("data", data_of(group));
    CHECK(expand(folder.at("in"), folder.at("same")) == "");
    CHECK((folder.names() == std::vector<std::string>{"data", "in", "same"}));
    CHECK(contains(folder.read("same"), "data"));
    CHECK(expand(folder.at("in"), other.at("out")) == "");
    const std::string out = other.read("out"), data = other.read("out.data");
    const Location weight = location_of(out, 0), plain = location_of(out, 1);
    CHECK(weight.length == 40 && plain.length == 5);
    CHECK(data.substr(plain.offset, plain.length) == "plain");
    CHECK(contains(folder.read("same"), data.substr(weight.offset, weight.length)));
}

void test_external_data_are_never_replaced() {
    const Folder folder;
    TestGroup group = small_group();
    group.set_shape({100, 100});
    folder.write("in", model_of(external_graph(group, "out.data")));
    folder.write("out.data", data_of(group));
    CHECK(
        contains(expand(folder.at("in"), folder.at("out"), {0, 10000}), "expected another file than the model's own"));
    CHECK(contains(expand(folder.at("in"), folder.at("out.data")), "expected another file than the model's own"));
    CHECK(folder.read("out.data") == data_of(group));
    CHECK((folder.names() == std::vector<std::string>{"in", "out.data"}));
}

}  // namespace

int main() {
    test_a_file_is_what_a_buffer_is();
    test_failures_leave_nothing();
    test_pipes_do_not_block();
    test_the_input_is_never_replaced();
    test_external_data_are_read();
    test_external_data_that_are_not_allowed();
    test_large_models_have_their_weights_next_to_them();
    test_external_data_come_along_to_another_folder();
    test_external_data_are_never_replaced();
    return check::finish();
}
