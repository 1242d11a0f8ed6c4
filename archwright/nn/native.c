/* What mixed cells compute of images in channels_last order: batch x height x width x channels.

   Compiled at first use by archwright/nn/native.py, which checks it against torch. Everything is
   written once and instantiated for a type and a number of channels that are computed at a time
   (the greatest that divides the channels). Sums are in a fixed order whatever the number of
   threads. */

#ifndef T

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 256 /* pixels that are added up before they are added to a double */
#define JOIN_(a, b, c) a##_##b##_##c
#define JOIN(a, b, c) JOIN_(a, b, c)
#define NAME(a) JOIN(a, T, L)
#define INLINE static inline __attribute__((always_inline))

/* A depthwise convolution of the image `x`, put into a frame of zeros: `frame` pixels high and
   wide, `pad` from its edge, `stretch` apart. */
typedef struct {
  int64_t images, height, width, channels, out_height, out_width;
  int64_t kernel, dilation, stride, pad, stretch, relu, flip, threads;
} Geometry;

/* A thread's room for one frame (0) and for the taps (1), kept, as asking for so much anew each
   time is slow. */
static void *room(int which, size_t size) {
  static __thread void *kept[2] = {NULL, NULL};
  static __thread size_t held[2] = {0, 0};
  if (size > held[which]) {
    free(kept[which]);
    kept[which] = malloc(size);
    held[which] = kept[which] ? size : 0;
  }
  return kept[which];
}

#define INTEGER int32_t
#define T float
#define L 16
#include "native.c"
#undef L
#define L 8
#include "native.c"
#undef L
#define L 4
#include "native.c"
#undef L
#define L 1
#include "native.c"
#undef L
#undef T
#undef INTEGER
#define INTEGER int64_t
#define T double
#define L 8
#include "native.c"
#undef L
#define L 4
#include "native.c"
#undef L
#define L 1
#include "native.c"
#undef L
#undef T

#else

typedef T NAME(vec) __attribute__((vector_size(L * sizeof(T)), aligned(sizeof(T)), may_alias));
typedef INTEGER NAME(bits)
    __attribute__((vector_size(L * sizeof(T)), aligned(sizeof(T)), may_alias));
#define VEC NAME(vec)
#define AT(p) (*(VEC *)(p))
#define READ(p) (*(const VEC *)(p))

/* Zero where z is at most zero; what is no number stays. */
INLINE VEC NAME(gate)(VEC value, VEC z) {
  NAME(bits) off = z <= (VEC){0};
  return (VEC)((NAME(bits))value & ~off);
}

/* The image in its frame, where asked for scaled, shifted and without what is negative. */
static void NAME(frame)(const T *x, T *frame, int64_t high, int64_t wide, const Geometry *g,
                        const T *scale, const T *shift) {
  const int64_t C = g->channels, pad = g->pad, row_size = wide * C;
  const int64_t first = pad < 0 ? (-pad + g->stretch - 1) / g->stretch : 0;
  for (int64_t row = 0; row < high; row++) {
    T *line = frame + row * row_size;
    const int64_t h = (row - pad) / g->stretch;
    if (row < pad || h >= g->height || (row - pad) % g->stretch) {
      memset(line, 0, sizeof(T) * row_size);
      continue;
    }
    int64_t n = (wide - 1 - pad) / g->stretch + 1; /* the columns that lie inside are below n */
    if (wide <= pad) n = 0;
    if (n > g->width) n = g->width;
    const T *from = x + h * g->width * C;
    if (g->stretch > 1) {
      memset(line, 0, sizeof(T) * row_size);
    } else {
      const int64_t left = pad > 0 ? pad : 0, right = n + pad > 0 ? n + pad : 0;
      memset(line, 0, sizeof(T) * left * C);
      memset(line + right * C, 0, sizeof(T) * (wide - right) * C);
    }
    if (scale) {
      for (int64_t c = 0; c < C; c += L) {
        const VEC s = READ(scale + c), t = READ(shift + c);
        for (int64_t w = first; w < n; w++) {
          const VEC v = READ(from + w * C + c) * s + t;
          AT(line + (pad + w * g->stretch) * C + c) = g->relu ? NAME(gate)(v, v) : v;
        }
      }
    } else if (g->stretch == 1) {
      if (n > first)
        memcpy(line + (pad + first) * C, from + first * C, sizeof(T) * (n - first) * C);
    } else {
      for (int64_t w = first; w < n; w++)
        memcpy(line + (pad + w * g->stretch) * C, from + w * C, sizeof(T) * C);
    }
  }
}

#define ROW(n)                                                                        \
  for (; w + n <= g->out_width; w += n) {                                             \
    VEC sums[n];                                                                      \
    for (int q = 0; q < n; q++) sums[q] = (VEC){0};                                   \
    for (int64_t i = 0; i < kernel; i++)                                              \
      for (int64_t j = 0; j < kernel; j++) {                                          \
        const VEC tap = READ(weight + (i * kernel + j) * C);                          \
        const T *at = from + (i * d * wide + j * d + w * s) * C;                      \
        _Pragma("GCC unroll 8") for (int q = 0; q < n; q++)                           \
            sums[q] += tap * READ(at + q * s * C);                                    \
      }                                                                               \
    _Pragma("GCC unroll 8") for (int q = 0; q < n; q++) {                             \
      AT(to + (w + q) * C) = sums[q];                                                 \
    }                                                                                 \
  }

INLINE void NAME(convolve)(const T *frame, const T *weights, T *y, int64_t wide,
                           const Geometry *g, int64_t kernel) {
  const int64_t C = g->channels, d = g->dilation, s = g->stride;
  for (int64_t h = 0; h < g->out_height; h++)
    for (int64_t c = 0; c < C; c += L) {
      const T *from = frame + h * s * wide * C + c, *weight = weights + c;
      T *to = y + h * g->out_width * C + c;
      int64_t w = 0;
      ROW(8)
      ROW(1)
    }
}

/* With stride 1 and numbers known to the compiler, what is read is used for all taps at once. */
INLINE void NAME(convolve_once)(const T *frame, const T *weights, T *y, int64_t wide,
                                const Geometry *g, const int kernel, const int d) {
  const int64_t C = g->channels, s = 1;
  for (int64_t h = 0; h < g->out_height; h++)
    for (int64_t c = 0; c < C; c += L) {
      const T *from = frame + h * wide * C + c, *weight = weights + c;
      T *to = y + h * g->out_width * C + c;
      int64_t w = 0;
      for (; w + 8 <= g->out_width; w += 8) {
        VEC sums[8], taps[5];
        _Pragma("GCC unroll 8") for (int q = 0; q < 8; q++) sums[q] = (VEC){0};
        for (int i = 0; i < kernel; i++) {
          const T *at = from + (i * d * wide + w) * C;
          _Pragma("GCC unroll 8") for (int j = 0; j < kernel; j++)
            taps[j] = READ(weight + (i * kernel + j) * C);
          _Pragma("GCC unroll 16") for (int t = 0; t < 8 + (kernel - 1) * d; t++) {
            const VEC v = READ(at + t * C);
            _Pragma("GCC unroll 8") for (int j = 0; j < kernel; j++)
              if (t - j * d >= 0 && t - j * d < 8) sums[t - j * d] += taps[j] * v;
          }
        }
        _Pragma("GCC unroll 8") for (int q = 0; q < 8; q++) AT(to + (w + q) * C) = sums[q];
      }
      ROW(1)
    }
}

/* y = the convolution; weights are channels x kernel x kernel. Answers 1 without memory. */
int NAME(depthwise)(const T *x, const T *given, T *y, const Geometry *g, const T *scale,
                    const T *shift) {
  const int64_t C = g->channels, reach = g->dilation * (g->kernel - 1);
  const int64_t high = (g->out_height - 1) * g->stride + reach + 1;
  const int64_t wide = (g->out_width - 1) * g->stride + reach + 1;
  const int64_t n_taps = g->kernel * g->kernel;
  T *weights = room(1, sizeof(T) * n_taps * C);
  if (!weights) return 1;
  for (int64_t c = 0; c < C; c++)
    for (int64_t t = 0; t < n_taps; t++)
      weights[t * C + c] = given[c * n_taps + (g->flip ? n_taps - 1 - t : t)];
  int failed = 0;
#pragma omp parallel for num_threads(g->threads) if (g->threads > 1)
  for (int64_t n = 0; n < g->images; n++) {
    T *frame = room(0, sizeof(T) * high * wide * C);
    if (!frame) {
      failed = 1;
      continue;
    }
    NAME(frame)(x + n * g->height * g->width * C, frame, high, wide, g, scale, shift);
    T *to = y + n * g->out_height * g->out_width * C;
    const int64_t kind = g->stride == 1 ? 10 * g->kernel + g->dilation : 0;
    if (kind == 31)
      NAME(convolve_once)(frame, weights, to, wide, g, 3, 1);
    else if (kind == 32)
      NAME(convolve_once)(frame, weights, to, wide, g, 3, 2);
    else if (kind == 51)
      NAME(convolve_once)(frame, weights, to, wide, g, 5, 1);
    else if (kind == 52)
      NAME(convolve_once)(frame, weights, to, wide, g, 5, 2);
    else
      NAME(convolve)(frame, weights, to, wide, g, g->kernel);
  }
  return failed;
}

/* One row of taps at a time: its sums stay in registers. */
INLINE void NAME(correlate)(const T *frame, const T *grad, T *out, int64_t wide,
                            const Geometry *g, int64_t kernel, int64_t first, int64_t n_taps) {
  const int64_t C = g->channels, d = g->dilation, s = g->stride;
  for (int64_t c = 0; c < C; c += L)
    for (int64_t i = 0; i < kernel; i++) {
      VEC sums[8], more[8];
      _Pragma("GCC unroll 8") for (int64_t j = 0; j < n_taps; j++)
        sums[j] = more[j] = (VEC){0};
      for (int64_t h = 0; h < g->out_height; h++) {
        const T *from = frame + ((h * s + i * d) * wide + first * d) * C + c;
        const T *of = grad + h * g->out_width * C + c;
        int64_t w = 0;
        for (; w + 2 <= g->out_width; w += 2) {
          const VEC one = READ(of + w * C), two = READ(of + (w + 1) * C);
          _Pragma("GCC unroll 8") for (int64_t j = 0; j < n_taps; j++) {
            sums[j] += one * READ(from + (w * s + j * d) * C);
            more[j] += two * READ(from + ((w + 1) * s + j * d) * C);
          }
        }
        for (; w < g->out_width; w++)
          for (int64_t j = 0; j < n_taps; j++)
            sums[j] += READ(of + w * C) * READ(from + (w * s + j * d) * C);
      }
      for (int64_t j = 0; j < n_taps; j++)
        AT(out + (i * kernel + first + j) * C + c) = sums[j] + more[j];
    }
}

/* The same with stride 1 and numbers known to the compiler. */
INLINE void NAME(correlate_once)(const T *frame, const T *grad, T *out, int64_t wide,
                                 const Geometry *g, const int kernel, const int d) {
  const int64_t C = g->channels;
  for (int64_t c = 0; c < C; c += L)
    for (int i = 0; i < kernel; i++) {
      VEC sums[5], of[8];
      _Pragma("GCC unroll 8") for (int j = 0; j < kernel; j++) sums[j] = (VEC){0};
      for (int64_t h = 0; h < g->out_height; h++) {
        const T *from = frame + (h + i * d) * wide * C + c;
        const T *at = grad + h * g->out_width * C + c;
        int64_t w = 0;
        for (; w + 8 <= g->out_width; w += 8) {
          _Pragma("GCC unroll 8") for (int q = 0; q < 8; q++) of[q] = READ(at + (w + q) * C);
          _Pragma("GCC unroll 16") for (int t = 0; t < 8 + (kernel - 1) * d; t++) {
            const VEC v = READ(from + (w + t) * C);
            _Pragma("GCC unroll 8") for (int j = 0; j < kernel; j++)
              if (t - j * d >= 0 && t - j * d < 8) sums[j] += of[t - j * d] * v;
          }
        }
        for (; w < g->out_width; w++)
          _Pragma("GCC unroll 8") for (int j = 0; j < kernel; j++)
            sums[j] += READ(at + w * C) * READ(from + (w + j * d) * C);
      }
      for (int j = 0; j < kernel; j++) AT(out + (i * kernel + j) * C + c) = sums[j];
    }
}

/* out (channels x kernel x kernel) = the gradient of the weights. */
int NAME(depthwise_weights)(const T *x, const T *grad, T *out, const Geometry *g, const T *scale,
                            const T *shift) {
  const int64_t C = g->channels, reach = g->dilation * (g->kernel - 1);
  const int64_t high = (g->out_height - 1) * g->stride + reach + 1;
  const int64_t wide = (g->out_width - 1) * g->stride + reach + 1;
  const int64_t taps = g->kernel * g->kernel * C;
  T *parts = malloc(sizeof(T) * g->images * taps);
  double *total = calloc(taps, sizeof(double));
  int failed = !parts || !total;
  if (!failed) {
#pragma omp parallel for num_threads(g->threads) if (g->threads > 1)
    for (int64_t n = 0; n < g->images; n++) {
      T *frame = room(0, sizeof(T) * high * wide * C);
      if (!frame) {
        failed = 1;
        continue;
      }
      NAME(frame)(x + n * g->height * g->width * C, frame, high, wide, g, scale, shift);
      const T *of = grad + n * g->out_height * g->out_width * C;
      T *to = parts + n * taps;
      const int64_t kind = g->stride == 1 ? 10 * g->kernel + g->dilation : 0;
      if (kind == 31)
        NAME(correlate_once)(frame, of, to, wide, g, 3, 1);
      else if (kind == 32)
        NAME(correlate_once)(frame, of, to, wide, g, 3, 2);
      else if (kind == 51)
        NAME(correlate_once)(frame, of, to, wide, g, 5, 1);
      else if (kind == 52)
        NAME(correlate_once)(frame, of, to, wide, g, 5, 2);
      else if (g->kernel == 3)
        NAME(correlate)(frame, of, to, wide, g, 3, 0, 3);
      else if (g->kernel == 5)
        NAME(correlate)(frame, of, to, wide, g, 5, 0, 5);
      else
        for (int64_t j = 0; j < g->kernel; j++)
          NAME(correlate)(frame, of, to, wide, g, g->kernel, j, 1);
    }
    for (int64_t n = 0; n < g->images && !failed; n++)
      for (int64_t t = 0; t < taps; t++) total[t] += parts[n * taps + t];
    for (int64_t t = 0; t < taps; t++) out[t % C * (taps / C) + t / C] = (T)total[t];
  }
  free(parts);
  free(total);
  return failed;
}

/* Each channel's sums over pixels, of x - x[0] and of its square, to doubles 2 x channels. */
static void NAME(sums)(const T *x, double *out, int64_t pixels, int64_t C) {
  for (int64_t b = 0; b < pixels; b += BLOCK) {
    const int64_t end = b + BLOCK < pixels ? b + BLOCK : pixels;
    for (int64_t c = 0; c < C; c += L) {
      const VEC first = READ(x + c);
      VEC one = {0}, two = {0}, one_ = {0}, two_ = {0};
      int64_t p = b;
      for (; p + 2 <= end; p += 2) {
        const VEC v = READ(x + p * C + c) - first, v_ = READ(x + (p + 1) * C + c) - first;
        one += v;
        two += v * v;
        one_ += v_;
        two_ += v_ * v_;
      }
      for (; p < end; p++) {
        const VEC v = READ(x + p * C + c) - first;
        one += v;
        two += v * v;
      }
      one += one_;
      two += two_;
      for (int l = 0; l < L; l++) {
        out[c + l] += one[l];
        out[C + c + l] += two[l];
      }
    }
  }
}

/* Of each channel: moments (mean and variance, divided by the number; without x they are given),
   one over the deviation, and the line (scale and shift) that a batch normalisation is. The running
   statistics, where given, learn from it. */
void NAME(statistics)(const T *x, double *moments, double *inverse, T *line, const T *scale,
                      const T *shift, T *running_mean, T *running_variance, double eps,
                      double share, int64_t pixels, int64_t C) {
  if (x) {
    memset(moments, 0, sizeof(double) * 2 * C);
    NAME(sums)(x, moments, pixels, C);
    for (int64_t c = 0; c < C; c++) {
      /* Differences from the first pixel: large means cancel nothing. */
      const double off = moments[c] / pixels, square = moments[C + c] / pixels - off * off;
      moments[c] = off + x[c];
      moments[C + c] = square < 0 ? 0 : square;
    }
  }
  for (int64_t c = 0; c < C; c++) {
    inverse[c] = 1 / sqrt(moments[C + c] + eps);
    const double by = inverse[c] * (scale ? scale[c] : 1);
    line[c] = (T)by;
    line[C + c] = (T)((shift ? shift[c] : 0) - moments[c] * by);
    if (running_mean) {
      const double variance = moments[C + c] * pixels / (pixels - 1);
      running_mean[c] = (T)((1 - share) * running_mean[c] + share * moments[c]);
      running_variance[c] = (T)((1 - share) * running_variance[c] + share * variance);
    }
  }
}

/* out = shift + sum over terms of scale[term] * terms[term]. */
void NAME(weigh)(const T *const *terms, T *out, const T *scale, const T *shift, int64_t n_terms,
                 int64_t pixels, int64_t C, int64_t threads) {
#pragma omp parallel for num_threads(threads) if (threads > 1)
  for (int64_t b = 0; b < pixels; b += 32) {
    const int64_t end = b + 32 < pixels ? b + 32 : pixels;
    for (int64_t c = 0; c < C; c += L) {
      const VEC start = READ(shift + c);
      for (int64_t p = b; p < end; p++) AT(out + p * C + c) = start;
      int64_t k = 0;
      for (; k + 2 <= n_terms; k += 2) {
        const T *one = terms[k], *two = terms[k + 1];
        const VEC s = READ(scale + k * C + c), t = READ(scale + (k + 1) * C + c);
        for (int64_t p = b; p < end; p++)
          AT(out + p * C + c) += s * READ(one + p * C + c) + t * READ(two + p * C + c);
      }
      for (; k < n_terms; k++) {
        const VEC s = READ(scale + k * C + c);
        for (int64_t p = b; p < end; p++) AT(out + p * C + c) += s * READ(terms[k] + p * C + c);
      }
    }
  }
}

/* out[term] = sum over pixels of grad * terms[term]; the last row is the sum of grad. */
void NAME(dots)(const T *grad, const T *const *terms, double *out, int64_t n_terms,
                int64_t pixels, int64_t C) {
  for (int64_t b = 0; b < pixels; b += BLOCK) {
    const int64_t end = b + BLOCK < pixels ? b + BLOCK : pixels;
    for (int64_t k = 0; k <= n_terms; k++)
      for (int64_t c = 0; c < C; c += L) {
        VEC sums[4] = {{0}, {0}, {0}, {0}};
        int64_t p = b;
        if (k < n_terms) {
          const T *y = terms[k] + c;
          for (; p + 4 <= end; p += 4)
            _Pragma("GCC unroll 4") for (int q = 0; q < 4; q++)
              sums[q] += READ(grad + (p + q) * C + c) * READ(y + (p + q) * C);
          for (; p < end; p++) sums[0] += READ(grad + p * C + c) * READ(y + p * C);
        } else {
          for (; p < end; p++) sums[0] += READ(grad + p * C + c);
        }
        const VEC sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
        for (int l = 0; l < L; l++) out[k * C + c + l] += sum[l];
      }
  }
}

/* out = a * grad + b * y + c, a number a channel each. */
void NAME(blend)(const T *grad, const T *y, T *out, const T *a, const T *b, const T *c_,
                 int64_t pixels, int64_t C, int64_t threads) {
#pragma omp parallel for num_threads(threads) if (threads > 1)
  for (int64_t p = 0; p < pixels; p++)
    for (int64_t c = 0; c < C; c += L)
      AT(out + p * C + c) = READ(a + c) * READ(grad + p * C + c) +
                            (READ(b + c) * READ(y + p * C + c) + READ(c_ + c));
}

/* The gradient through ReLU and the batch normalisation before it, in place. Sums: of grad times
   what is normalised, and of grad, behind the ReLU. With `batch` mean and deviation are x's own. */
void NAME(through)(T *grad, const T *x, const T *line, const double *moments,
                   const double *inverse, double *sums, int64_t batch, int64_t pixels,
                   int64_t C) {
  for (int64_t b = 0; b < pixels; b += BLOCK) {
    const int64_t end = b + BLOCK < pixels ? b + BLOCK : pixels;
    for (int64_t c = 0; c < C; c += L) {
      const VEC s = READ(line + c), t = READ(line + C + c);
      VEC one = {0}, two = {0};
      for (int64_t p = b; p < end; p++) {
        const VEC v = READ(x + p * C + c), left = NAME(gate)(READ(grad + p * C + c), v * s + t);
        AT(grad + p * C + c) = left;
        one += left * v;
        two += left;
      }
      for (int l = 0; l < L; l++) {
        sums[c + l] += one[l];
        sums[C + c + l] += two[l];
      }
    }
  }
  for (int64_t c = 0; c < C; c += L) {
    VEC by = READ(line + c), slope, to;
    for (int l = 0; l < L; l++) {
      const double mean = moments[c + l], total = sums[C + c + l];
      const double along = sums[c + l] = inverse[c + l] * (sums[c + l] - mean * total);
      const double turned = batch ? -by[l] * inverse[c + l] * along / pixels : 0;
      slope[l] = (T)turned;
      to[l] = batch ? (T)(-by[l] * total / pixels - turned * mean) : 0;
    }
    for (int64_t p = 0; p < pixels; p++)
      AT(grad + p * C + c) =
          by * READ(grad + p * C + c) + (slope * READ(x + p * C + c) + to);
  }
}

#undef VEC
#undef AT
#undef READ
#undef ROW
#endif
