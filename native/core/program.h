// A program: a list of operations with their buffers, run for whole epochs without Python.
//
// A training step goes through a list of stages (gather a batch, forward of each operation, the loss, backward of each
// operation). A stage is divided among the threads by panels or by features (see operation.h); there is a barrier only
// where the division changes. Then each thread takes its share of the gradients of parameters, sums each over the whole
// batch, and updates the parameters at once.
#pragma once
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "core/memory_plan.h"
#include "core/operation.h"
#include "core/threads.h"
#include "training/losses.h"

namespace pysmorch {

struct Result {
    double loss = 0, metric = 0, weight = 0;
    int64_t rows = 0, failed_batch = -1, steps = 0;
};

// What an epoch, or a part of it, runs on: `order` has the rows of all batches.
struct Epoch {
    std::vector<Rows> data;
    Rows labels;
    const double* weights = nullptr;
    std::vector<int64_t> order;  // a copy, which nobody changes after it was checked
    size_t num_rows = 0, batch_size = 1;
    std::vector<double> rates, decays;        // learning rate and weight decay of each step
    std::vector<DropoutRates> dropout_rates;  // where they are not the same in all steps
    int64_t first_step = 0, optimizer_steps = 0;
    // Where the rows are a shard of one batch: the rows of that batch, and which of them is the first one here.
    size_t total = 0, first_row = 0;
    Result so_far;  // the sums go on from these, so that they do not depend on the parts of an epoch
};

template <class T> class Program {
  public:
    std::vector<Value<T>> values;
    std::vector<std::unique_ptr<Operation<T>>> operations;
    std::vector<int> inputs, outputs;  // values that are gathered from the data; the value that each operation computes
    Loss<T> loss;
    Updater<T> updater;
    uint64_t seed = 0;
    std::vector<std::pair<double*, size_t>>
        states;  // of operations, such as running statistics, where they are trained

    // Called once, when everything above is set.
    [[gnu::cold]] void prepare();

    // `interrupted` is asked after each step whether to stop, and within long ones, which are then undone.
    Result train(const Epoch& epoch, int max_threads, const std::function<bool()>& interrupted);

    // shards.cpp: a batch that comes in shards, one after the other or each in a program of its own. A shard begins at
    // a multiple of NR rows of the batch.
    //
    // The sums of a batch: so many in T, and so many in double.
    size_t num_sums() const { return num_sums_; }
    size_t num_wide_sums() const { return num_wide_sums_; }
    // Operations with parameters: where their sums begin. The first numbers in double are those of the loss.
    std::vector<std::pair<size_t, size_t>> sum_offsets() const;
    // Begins with a shard: `shard` has one batch, or no rows.
    void begin_shard(Epoch shard, int max_threads);
    enum class ShardState { complete, waits, failed, interrupted };
    // Forward and backward pass, until numbers of the other shards are needed (see Operation::moments), which are
    // written into `moments` before the next call.
    ShardState run_shard(int max_threads, const std::function<bool()>& interrupted);
    typename Operation<T>::Moments moments() const;
    size_t total_panels() const { return panels_of(shard_.total); }
    std::pair<size_t, size_t> panels_of_shard() const {
        const size_t first = shard_.first_row / NR<T>;
        return {first, first + panels_of(shard_.num_rows)};
    }
    // Adds what the shard contributes to the sums of operations first .. last of `sum_offsets`, or sets them where it
    // is the first one. Returns whether the sum of the losses is finite.
    bool add_shard(size_t first, size_t last, bool resumes, int max_threads);
    // Makes the step: from the sums of all rows of the batch, or from those of no rows or of the rows before the shard,
    // which is the last one and is added on the way. Returns whether the sum of the losses is finite.
    enum class SumsOf { no_rows, rows_before, all_rows };
    bool apply_sums(double rate, double decay, int64_t optimizer_steps, bool keep, SumsOf of, int max_threads);

    // Outputs (count rows of the loss's input) in prediction mode. Returns whether all data are finite. `interrupted`
    // is asked between pieces of the rows whether to stop.
    bool predict(const std::vector<Rows>& data, size_t count, T* out, int max_threads,
                 const std::function<bool()>& interrupted);

    // Bytes that training takes for batches of up to n rows, besides the parameters.
    size_t memory(size_t n, int max_threads);

    double predict_work(size_t n) const;

  private:
    // Work between two possible barriers: one phase of an operation's forward or backward pass, or one of GATHER and
    // LOSS.
    struct Stage {
        int op;
        int phase;
        bool backward;
    };
    static constexpr int GATHER = -1, LOSS = -2;
    // What the threads of a call of `train` share.
    struct Training;
    // What a thread needs to predict some rows.
    struct RowBuffers {
        Buffer<T> values;
        std::vector<Buffer<int64_t>> indices;
        std::vector<RowsOf<T>> rows, in;
        std::unique_ptr<Workspace<T>> work = std::make_unique<Workspace<T>>();
        explicit RowBuffers(size_t values) : indices(values), rows(values) { in.reserve(values * 2 + 16); }
    };

    const Value<T>& output() const { return values[size_t(loss.spec.value)]; }
    static size_t panels_of(size_t n) { return (n + NR<T> - 1) / NR<T>; }

    // program.cpp: what is decided before a step.
    void fuse_operations();
    void choose_overwriting();
    void choose_bf16();
    Operation<T>* gathering_operation(const Value<T>& value) const;
    double step_work(size_t n) const;
    int threads_for(size_t n, int max_threads) const;
    [[gnu::cold]] void reserve(const Step& s);
    void place_sums();
    void reserve_tasks(const Step& s);
    size_t plan(size_t panels);
    size_t size_buffers(size_t panels);
    [[gnu::cold]] void find_live_ranges(size_t panels, bool reuse);
    std::pair<int, int> stages_of(int op, bool backward) const;

    // training.cpp: a step.
    void train_thread(Training& t, int thread);
    double interruptible_work(size_t n) const;
    static size_t chunks_of(double work);
    Step step_of(size_t n, int64_t number, int threads) const;
    bool run_stages(Training& t, const Step& s, const Labels& labels, int thread, size_t first, size_t last);
    bool update_parameters(Training& t, const Step& s, int thread);
    bool halts(Training& t, int thread);
    void remember(Training& t);
    void undo(Training& t);
    std::pair<size_t, size_t> tasks_for(int thread, int count, size_t first, size_t last) const;
    Range panels_for(const Step& s, int thread) const;
    bool is_by_feature(const Stage& stage, const Step& s) const;
    bool steals_work(const Stage& stage) const;
    void run(const Stage& stage, const Step& s, Range range, const Epoch& epoch, const Labels& labels,
             Workspace<T>& work);
    void gather(const Step& s, const Rows& data, size_t input, const int64_t* order, const Range& range);
    void gather_index(const Rows& data, const int64_t* rows, int lanes, const Value<T>& value, size_t p);
    Sums total_of(const Step& s, Sums total) const;
    void clip(Barrier& barrier, int thread, int count);

    // shards.cpp
    Step step_of_shard(int threads) const;
    bool awaits_moments(size_t stage) const;
    bool add_loss(const Step& s, bool resumes);
    void clear_sums(size_t first, size_t last);

    // prediction.cpp
    size_t row_stride(size_t v) const { return round_up(values[v].cols, NR<T>); }
    void load_rows(const Rows& data, size_t first, size_t n, const Value<T>& value, RowsOf<T>& rows) const;
    void load_indices(const Rows& data, size_t first, size_t n, const Value<T>& value, int64_t* to) const;
    [[gnu::cold]] void plan_rows();
    void predict_rows(const std::vector<Rows>& data, size_t first, size_t n, size_t height, RowBuffers& buffers,
                      T* out) const;

    static constexpr size_t SQUARES_AT_A_TIME = 4096;  // parameters whose squares are summed in one go

    std::vector<Stage> stages_;
    std::vector<char> needs_barrier_;       // by stage: all threads have to be done with what comes before
    std::vector<Operation<T>*> gathering_;  // by input: the operation that gathers it itself, or null
    std::vector<Task> tasks_;
    std::vector<double> cumulative_work_, norms_;  // of the tasks; squared norms of parts of the gradients
    Buffer<Sums> sums_;                            // by panel
    std::vector<std::unique_ptr<Workspace<T>>> workspaces_;
    std::vector<LiveBuffer> live_buffers_;  // values, then gradients
    Buffer<T> arena_;
    std::vector<Buffer<int64_t>> index_;
    std::vector<RowBuffers> row_buffers_;
    std::vector<LiveBuffer> live_rows_;  // values of a row that is predicted
    size_t row_size_ = 0;                // of all of them
    size_t num_sums_ = 0, num_wide_sums_ = 0;
    Epoch shard_;
    size_t next_stage_ = 0;  // of the shard
    bool awaits_ = false;    // whether moments of the other shards are needed before it
};

}  // namespace pysmorch
