// Aligned memory, and the way between a flat parameter buffer and panels.
#pragma once

#include <cstring>
#include <new>

#include "kernels.hpp"

namespace backpass {

// Zeroed memory on a cache line, as long as its owner.
template <class T> class Buffer {
  public:
    Buffer() = default;
    explicit Buffer(size_t count) { reset(count); }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    Buffer(Buffer&& other) noexcept : data_(other.data_) { other.data_ = nullptr; }
    ~Buffer() { release(); }

    void reset(size_t count) {
        release();
        if (count > MOST / sizeof(T)) throw std::bad_alloc();
        const size_t bytes = (count * sizeof(T) + 127) / 64 * 64;
        data_ = (T*)::operator new(bytes, LINE, std::nothrow);
        if (!data_) throw std::bad_alloc();
        std::memset((void*)data_, 0, bytes);
    }
    T* get() const { return data_; }
    T& operator[](size_t i) const { return data_[i]; }

  private:
    static constexpr std::align_val_t LINE{64};
    static constexpr size_t MOST = PTRDIFF_MAX - 127;  // of bytes, rounded up below it

    void release() {
        ::operator delete((void*)data_, LINE);
        data_ = nullptr;
    }

    T* data_ = nullptr;
};

// Room for the entries of a block of CSR rows.
template <class T> struct EntryBuffers {
    Buffer<int64_t> start, stop;
    Buffer<int32_t> column;
    Buffer<T> value;
    int64_t rows = 0, room = 0;

    Entries<T> get(int64_t n_rows, int64_t n_entries) {
        if (n_rows > rows) {
            rows = 0;  // as long as one of the two may be missing
            start.reset((size_t)n_rows), stop.reset((size_t)n_rows);
            rows = n_rows;
        }
        if (n_entries > room) {
            room = 0;
            column.reset((size_t)n_entries), value.reset((size_t)n_entries);
            room = n_entries;
        }
        return {start.get(), stop.get(), column.get(), value.get(), room};
    }
};

// Whether work should go with the entries: an entry costs about as much as eight of a dense row.
inline bool is_worth_sparse(const Source& X) {
    if (!X.starts || X.n_rows == 0) return false;
    const int64_t entries = X.wide_indices ? ((const int64_t*)X.starts)[X.n_rows]
                                           : ((const int32_t*)X.starts)[X.n_rows];
    return (double)entries * 8 < (double)X.n_rows * X.width;
}

inline int panels_of(int units, int lanes) { return (units + lanes - 1) / lanes; }

// (n_in, n_out) row by row into panels [out panel][in row][V], and back.
template <class T> void pack(const T* flat, int n_in, int n_out, int lanes, T* panels) {
    const ptrdiff_t panel = (ptrdiff_t)panels_of(n_in, lanes) * lanes * lanes;
    for (int i = 0; i < n_in; i++)
        for (int j = 0; j < n_out; j += lanes)
            std::memcpy(panels + (j / lanes) * panel + (ptrdiff_t)i * lanes,
                        flat + (ptrdiff_t)i * n_out + j,
                        sizeof(T) * (n_out - j < lanes ? n_out - j : lanes));
}

template <class T>
void unpack(const T* panels, int n_in, int n_out, int lanes, T* flat, double scale = 1) {
    const ptrdiff_t panel = (ptrdiff_t)panels_of(n_in, lanes) * lanes * lanes;
    for (int i = 0; i < n_in; i++)
        for (int j = 0; j < n_out; j += lanes) {
            const T* from = panels + (j / lanes) * panel + (ptrdiff_t)i * lanes;
            T* to = flat + (ptrdiff_t)i * n_out + j;
            const int n = n_out - j < lanes ? n_out - j : lanes;
            if (scale == 1) std::memcpy(to, from, sizeof(T) * n);
            else
                for (int c = 0; c < n; c++) to[c] = (T)(from[c] * scale);
        }
}

}  // namespace backpass
