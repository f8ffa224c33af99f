// What generated C files take their functions from. Each part begins with a line of its name, and of the parts that it needs;
// a file has only those that it calls.

//// windows
/* Sizes of an image, of the windows on it, and of what they make of it; images are (height, width, channels). */
struct windows {
    int height, width, channels, out_height, out_width, filters, kernel_height, kernel_width, stride_height,
        stride_width, dilation_height, dilation_width, top, left, groups;
};

//// tiles: windows
/* Sums of products for P neighbouring windows and V filters, in an array that the compiler holds in registers; GCC must not unroll the
   innermost loop before it makes vectors of it. x is the corner of the first window, `step` the entries to the next one, W the weights
   of the first of the filters, `stride` those of a row of weights, `count` how many filters are left. */
#if defined(__GNUC__) && !defined(__clang__)
#define ROLLED _Pragma("GCC unroll 1")
#else
#define ROLLED
#endif
#define TILE(name, P, V)                                                                                               \
    static void name(const float *restrict x, int step, const struct windows *g, const float *restrict W, int stride,  \
                     float *restrict y, int count)                                                                     \
    {                                                                                                                  \
        float sum[P][V];                                                                                               \
        for (int p = 0; p < P; p++)                                                                                    \
            for (int v = 0; v < V; v++) sum[p][v] = 0.0f;                                                              \
        for (int i = 0; i < g->kernel_height; i++)                                                                     \
            for (int j = 0; j < g->kernel_width; j++) {                                                                \
                const float *q = x + (i * g->dilation_height * g->width + j * g->dilation_width) * g->channels;        \
                for (int c = 0; c < g->channels; c++, q++, W += stride)                                                \
                    for (int p = 0; p < P; p++)                                                                        \
                        ROLLED for (int v = 0; v < V; v++) sum[p][v] += q[p * step] * W[v];                            \
            }                                                                                                          \
        for (int p = 0; p < P; p++)                                                                                    \
            for (int v = 0; v < (count < V ? count : V); v++) y[p * g->filters + v] = sum[p][v];                       \
    }
TILE(tile_6_16, 6, 16)
TILE(tile_1_64, 1, 64)
TILE(tile_1_16, 1, 16)

//// convolution: tiles
/* y = convolution of x, which has its padding already. A row of W has its filters, and zeros up to a multiple of 16. */
static void convolution(const float *restrict x, const float *restrict W, float *restrict y, const struct windows *g)
{
    const int stride = (g->filters + 15) / 16 * 16, step = g->stride_width * g->channels;
    const int beside = g->out_width < 6 ? 1 : 6;
    for (int row = 0; row < g->out_height; row++)
        for (int column = 0; column < g->out_width; column += beside) {
            const int first = column + beside > g->out_width ? g->out_width - beside : column;
            const float *corner = x + (row * g->stride_height * g->width + first * g->stride_width) * g->channels;
            float *out = y + (row * g->out_width + first) * g->filters;
            for (int k = 0, size; k < g->filters; k += size) {
                size = beside == 1 && stride - k >= 64 ? 64 : 16;
                if (beside == 6)
                    tile_6_16(corner, step, g, W + k, stride, out + k, g->filters - k);
                else if (size == 64)
                    tile_1_64(corner, step, g, W + k, stride, out + k, g->filters - k);
                else
                    tile_1_16(corner, step, g, W + k, stride, out + k, g->filters - k);
            }
        }
}

//// few_outputs
/* y = x W for few outputs. */
static void few_outputs(const float *restrict x, const float *restrict W, float *restrict y, int inputs, int outputs)
{
    for (int k = 0; k < outputs; k++) y[k] = 0.0f;
    for (int i = 0; i < inputs; i++)
        for (int k = 0; k < outputs; k++) y[k] += x[i] * W[i * outputs + k];
}

//// grouped_convolution: windows
/* y = convolution of x, which has its padding already; each group of filters sees its own channels. */
static void grouped_convolution(const float *restrict x, const float *restrict W, float *restrict y,
                                const struct windows *g)
{
    const int channels = g->channels / g->groups, filters = g->filters / g->groups;
    for (int row = 0; row < g->out_height; row++)
        for (int column = 0; column < g->out_width; column++, y += g->filters) {
            const float *w = W;
            for (int k = 0; k < g->filters; k++) y[k] = 0.0f;
            for (int i = 0; i < g->kernel_height; i++)
                for (int j = 0; j < g->kernel_width; j++) {
                    const int above = row * g->stride_height + i * g->dilation_height;
                    const int beside = column * g->stride_width + j * g->dilation_width;
                    const float *q = x + (above * g->width + beside) * g->channels;
                    if (channels == 1 && filters == 1) {
                        for (int k = 0; k < g->filters; k++) y[k] += q[k] * w[k];
                        w += g->filters;
                        continue;
                    }
                    for (int c = 0; c < channels; c++, w += g->filters)
                        for (int group = 0; group < g->groups; group++)
                            for (int k = group * filters; k < (group + 1) * filters; k++)
                                y[k] += q[group * channels + c] * w[k];
                }
        }
}

//// transposed_convolution: windows
/* Every entry of x adds a kernel, times its value, to y. The sizes are those of the convolution of y that has the shape of x. */
static void transposed_convolution(const float *restrict x, const float *restrict W, float *restrict y,
                                   const struct windows *g)
{
    for (int i = 0; i < g->height * g->width * g->channels; i++) y[i] = 0.0f;
    for (int row = 0; row < g->out_height; row++)
        for (int column = 0; column < g->out_width; column++, x += g->filters)
            for (int i = 0; i < g->kernel_height; i++)
                for (int j = 0; j < g->kernel_width; j++) {
                    const int above = row * g->stride_height + i * g->dilation_height - g->top;
                    const int beside = column * g->stride_width + j * g->dilation_width - g->left;
                    const float *w = W + (i * g->kernel_width + j) * g->filters * g->channels;
                    if (above < 0 || above >= g->height || beside < 0 || beside >= g->width) continue;
                    for (int k = 0; k < g->filters; k++)
                        for (int c = 0; c < g->channels; c++)
                            y[(above * g->width + beside) * g->channels + c] += x[k] * w[k * g->channels + c];
                }
}

//// max_pooling: windows
/* y = the largest entry of each window, channel by channel; cells outside the image do not count. */
static void max_pooling(const float *restrict x, float *restrict y, const struct windows *g)
{
    for (int row = 0; row < g->out_height; row++)
        for (int column = 0; column < g->out_width; column++, y += g->channels) {
            for (int c = 0; c < g->channels; c++) y[c] = -INFINITY;
            for (int i = 0; i < g->kernel_height; i++)
                for (int j = 0; j < g->kernel_width; j++) {
                    const int above = row * g->stride_height + i - g->top;
                    const int beside = column * g->stride_width + j - g->left;
                    if (above < 0 || above >= g->height || beside < 0 || beside >= g->width) continue;
                    const float *q = x + (above * g->width + beside) * g->channels;
                    for (int c = 0; c < g->channels; c++) y[c] = y[c] < q[c] || q[c] != q[c] ? q[c] : y[c];
                }
        }
}

//// mean_pooling: windows
/* y = the mean of each window, channel by channel; cells outside the image do not count. */
static void mean_pooling(const float *restrict x, float *restrict y, const struct windows *g)
{
    for (int row = 0; row < g->out_height; row++)
        for (int column = 0; column < g->out_width; column++, y += g->channels) {
            int count = 0;
            for (int c = 0; c < g->channels; c++) y[c] = 0.0f;
            for (int i = 0; i < g->kernel_height; i++)
                for (int j = 0; j < g->kernel_width; j++) {
                    const int above = row * g->stride_height + i - g->top;
                    const int beside = column * g->stride_width + j - g->left;
                    if (above < 0 || above >= g->height || beside < 0 || beside >= g->width) continue;
                    const float *q = x + (above * g->width + beside) * g->channels;
                    for (int c = 0; c < g->channels; c++) y[c] += q[c];
                    count++;
                }
            for (int c = 0; c < g->channels; c++) y[c] /= (float)count;
        }
}

//// global_mean
/* y = the mean of each channel. */
static void global_mean(const float *restrict x, float *restrict y, int pixels, int channels)
{
    for (int c = 0; c < channels; c++) y[c] = 0.0f;
    for (int i = 0; i < pixels; i++)
        for (int c = 0; c < channels; c++) y[c] += x[i * channels + c];
    for (int c = 0; c < channels; c++) y[c] /= (float)pixels;
}

//// pad
/* y = an image with zeros around it. */
static void pad(const float *restrict x, float *restrict y, int height, int width, int top, int left, int out_height,
                int out_width)
{
    for (int i = 0; i < out_height * out_width; i++) y[i] = 0.0f;
    for (int row = 0; row < height; row++)
        for (int i = 0; i < width; i++) y[(row + top) * out_width + left + i] = x[row * width + i];
}

//// crop
/* y = a part of an image. */
static void crop(const float *restrict x, float *restrict y, int width, int top, int left, int out_height,
                 int out_width)
{
    for (int row = 0; row < out_height; row++)
        for (int i = 0; i < out_width; i++) y[row * out_width + i] = x[(row + top) * width + left + i];
}

//// upsample
/* y = every pixel several times. */
static void upsample(const float *restrict x, float *restrict y, int width, int channels, int out_height, int out_width,
                     int rows, int columns)
{
    for (int row = 0; row < out_height; row++)
        for (int column = 0; column < out_width; column++)
            for (int c = 0; c < channels; c++)
                *y++ = x[(row / rows * width + column / columns) * channels + c];
}

//// copy
/* Columns of rows of `width` entries, into rows of `out_width` entries. */
static void copy(const float *restrict x, float *restrict y, int rows, int width, int out_width, int count)
{
    for (int row = 0; row < rows; row++)
        for (int i = 0; i < count; i++) y[row * out_width + i] = x[row * width + i];
}

//// look_up
/* y = a row of W for each index; -1 where one is none. */
static int look_up(const float *x, const float *W, float *y, int count, int entries, int width)
{
    for (int i = 0; i < count; i++) {
        if (!(x[i] >= 0.0f && x[i] < (float)entries) || x[i] != (float)(int)x[i]) return -1;
        for (int k = 0; k < width; k++) y[i * width + k] = W[(int)x[i] * width + k];
    }
    return 0;
}

//// add_row
/* y = x + w for rows of `width` entries. */
static void add_row(const float *x, const float *restrict w, float *y, int rows, int width)
{
    for (int row = 0; row < rows; row++)
        for (int i = 0; i < width; i++) y[row * width + i] = x[row * width + i] + w[i];
}

//// multiply_row
/* y = x * w for rows of `width` entries. */
static void multiply_row(const float *x, const float *restrict w, float *y, int rows, int width)
{
    for (int row = 0; row < rows; row++)
        for (int i = 0; i < width; i++) y[row * width + i] = x[row * width + i] * w[i];
}

//// normalize_row
/* y = (x - mean) * factor for rows of `width` entries. */
static void normalize_row(const float *x, const float *restrict mean, const float *restrict factor, float *y, int rows,
                          int width)
{
    for (int row = 0; row < rows; row++)
        for (int i = 0; i < width; i++) y[row * width + i] = (x[row * width + i] - mean[i]) * factor[i];
}

//// blend
/* y = a + w (b - a) for rows of `width` entries. */
static void blend(const float *a, const float *b, const float *restrict w, float *y, int rows, int width)
{
    for (int row = 0; row < rows; row++)
        for (int i = 0; i < width; i++) {
            const int at = row * width + i;
            y[at] = a[at] + w[i] * (b[at] - a[at]);
        }
}

//// rescale
/* y = scale * x + shift. */
static void rescale(const float *x, float *y, int count, float scale, float shift)
{
    for (int i = 0; i < count; i++) y[i] = scale * x[i] + shift;
}

//// add
/* y = a + b. */
static void add(const float *a, const float *b, float *y, int count)
{
    for (int i = 0; i < count; i++) y[i] = a[i] + b[i];
}

//// multiply
/* y = a * b. */
static void multiply(const float *a, const float *b, float *y, int count)
{
    for (int i = 0; i < count; i++) y[i] = a[i] * b[i];
}

//// normalize_groups
/* y = x, each group of channels with mean 0 and variance 1 over all positions. */
static void normalize_groups(const float *x, float *y, int positions, int channels, int groups, double epsilon)
{
    const int size = channels / groups;
    for (int group = 0; group < groups; group++) {
        double sum = 0.0, squares = 0.0;
        for (int i = 0; i < positions; i++)
            for (int c = 0; c < size; c++) sum += x[i * channels + group * size + c];
        const double mean = sum / ((double)positions * size);
        for (int i = 0; i < positions; i++)
            for (int c = 0; c < size; c++) {
                const double centred = x[i * channels + group * size + c] - mean;
                squares += centred * centred;
            }
        const double factor = 1.0 / sqrt(squares / ((double)positions * size) + epsilon);
        for (int i = 0; i < positions; i++)
            for (int c = 0; c < size; c++) {
                const int at = i * channels + group * size + c;
                y[at] = (float)((x[at] - mean) * factor);
            }
    }
}

//// normalize_features
/* y = x, each row with mean 0 and variance 1. */
static void normalize_features(const float *x, float *y, int rows, int width, double epsilon)
{
    for (int row = 0; row < rows; row++, x += width, y += width) {
        double sum = 0.0, squares = 0.0;
        for (int i = 0; i < width; i++) sum += x[i];
        const double mean = sum / width;
        for (int i = 0; i < width; i++) squares += (x[i] - mean) * (x[i] - mean);
        const double factor = 1.0 / sqrt(squares / width + epsilon);
        for (int i = 0; i < width; i++) y[i] = (float)((x[i] - mean) * factor);
    }
}

//// log_softmax
/* y = x - log(sum of exp(x)) for rows of `width` entries. */
static void log_softmax(const float *x, double *y, int rows, int width)
{
    for (int row = 0; row < rows; row++, x += width, y += width) {
        double largest = x[0], sum = 0.0;
        for (int i = 1; i < width; i++) largest = x[i] > largest ? x[i] : largest;
        for (int i = 0; i < width; i++) sum += exp(x[i] - largest);
        for (int i = 0; i < width; i++) y[i] = x[i] - largest - log(sum);
    }
}

//// add_logarithm
/* total = log(exp(total) + exp(y)). */
static void add_logarithm(double *total, const double *y, int count)
{
    for (int i = 0; i < count; i++) {
        const double high = total[i] > y[i] ? total[i] : y[i], low = total[i] > y[i] ? y[i] : total[i];
        total[i] = low == -INFINITY ? high : high + log1p(exp(low - high));
    }
}

//// bits
static inline float from_bits(int32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

//// exponential: bits
/* exp(r) - 1 for small r. */
static inline float expm1_near_zero(float r)
{
    float q = r * 0.0001989198131397769f + 0.0013934541928270264f;
    q = q * r + 0.008333310024225292f;
    q = q * r + 0.04166645680967788f;
    q = q * r + 0.16666666682534356f;
    q = q * r + 0.5000000014286223f;
    return q * (r * r) + r;
}

/* exp(x) - 1 for x <= 0, without calls and branches, so that loops over it become vector instructions: x = n log 2 + r, and
   exp(x) = 2^n exp(r). Adding and taking away 1.5 * 2^23 rounds to a whole number. */
static inline float expm1_negative(float x)
{
    const float bounded = x > -87.0f ? x : -87.0f;
    const float n = (bounded * 1.44269504088896341f + 12582912.0f) - 12582912.0f;
    const float r = (bounded - n * 0.693359375f) - n * -2.12194440e-4f;
    const float power = from_bits(((int32_t)n + 127) * 8388608);
    const float y = expm1_near_zero(r) * power + (power - 1.0f);
    return x == x ? y : x;
}

/* exp(x) for x <= 0. */
static inline float exp_negative(float x)
{
    const float bounded = x > -87.0f ? x : -87.0f;
    const float n = (bounded * 1.44269504088896341f + 12582912.0f) - 12582912.0f;
    const float r = (bounded - n * 0.693359375f) - n * -2.12194440e-4f;
    const float y = (expm1_near_zero(r) + 1.0f) * from_bits(((int32_t)n + 127) * 8388608);
    return x == x ? (x < -87.0f ? 0.0f : y) : x;
}

//// relu
/* y = max(x, 0). */
static void relu(const float *x, float *y, int count)
{
    for (int i = 0; i < count; i++) y[i] = x[i] < 0.0f ? 0.0f : x[i];
}

//// leaky_relu
/* y = x where x > 0, else slope * x. */
static void leaky_relu(const float *x, float *y, int count, float slope)
{
    for (int i = 0; i < count; i++) y[i] = x[i] > 0.0f ? x[i] : slope * x[i];
}

//// sigmoid: exponential
/* y = 1 / (1 + exp(-x)). */
static void sigmoid(const float *x, float *y, int count)
{
    for (int i = 0; i < count; i++) {
        const float e = exp_negative(-fabsf(x[i]));
        y[i] = (x[i] < 0.0f ? e : 1.0f) / (1.0f + e);
    }
}

//// tanh: exponential
/* y = tanh(x) = -t / (t + 2) with t = exp(-2 |x|) - 1, times the sign of x. */
static void hyperbolic_tangent(const float *x, float *y, int count)
{
    for (int i = 0; i < count; i++) {
        const float t = expm1_negative(-2.0f * fabsf(x[i])), z = -t / (t + 2.0f);
        y[i] = x[i] < 0.0f ? -z : z;
    }
}

//// gelu
/* y = x P(x) with the distribution function of the standard normal. */
static void gelu(const float *x, float *y, int count)
{
    for (int i = 0; i < count; i++) y[i] = 0.5f * x[i] * erfcf(-0.707106781f * x[i]);
}

//// silu: exponential
/* y = x / (1 + exp(-x)). */
static void silu(const float *x, float *y, int count)
{
    for (int i = 0; i < count; i++) {
        const float e = exp_negative(-fabsf(x[i]));
        y[i] = x[i] * (x[i] < 0.0f ? e : 1.0f) / (1.0f + e);
    }
}

//// mish: exponential
/* y = x tanh(log(1 + exp(x))), which is x a / (a + b) with a = 1 + 2 e, b = 2 e^2 for x >= 0, a = e (e + 2), b = 2 for x < 0, and
   e = exp(-|x|). */
static void mish(const float *x, float *y, int count)
{
    for (int i = 0; i < count; i++) {
        const float e = exp_negative(-fabsf(x[i]));
        const float a = x[i] < 0.0f ? e * (e + 2.0f) : 1.0f + 2.0f * e, b = x[i] < 0.0f ? 2.0f : 2.0f * e * e;
        y[i] = x[i] * (a / (a + b));
    }
}

//// selu: exponential
/* y = scale * x where x > 0, else scale * alpha * (exp(x) - 1). */
static void selu(const float *x, float *y, int count, float alpha, float scale)
{
    for (int i = 0; i < count; i++) {
        const float below = alpha * expm1_negative(x[i] < 0.0f ? x[i] : 0.0f);
        y[i] = scale * (x[i] <= 0.0f ? below : x[i]);
    }
}

//// cos: bits
/* y = cos(x): x = n pi / 2 + r, and n says which of +-sin(r), +-cos(r) it is; the library computes that of large numbers. */
static void cosine(const float *x, float *y, int count)
{
    for (int i = 0; i < count; i++)
        if (!(fabsf(x[i]) < 8192.0f)) {
            for (int k = 0; k < count; k++) y[k] = cosf(x[k]);
            return;
        }
    for (int i = 0; i < count; i++) {
        const float n = (x[i] * 0.63661977236758134308f + 12582912.0f) - 12582912.0f;
        const int32_t quarter = (int32_t)n + 1;
        const float r = ((x[i] - n * 1.5703125f) - n * 4.83751296997e-4f) - n * 7.54978995489e-8f, s = r * r;
        const float sine = ((s * -0.00019582892053552874f + 0.008332725000080948f) * s - 0.16666664542406617f) * s * r + r;
        const float q = (s * 2.4542922330293974e-05f - 0.0013888279652924391f) * s + 0.04166666453885842f;
        const float size = quarter & 1 ? q * (s * s) + (1.0f - 0.5f * s) : sine;
        y[i] = quarter & 2 ? -size : size;
    }
}

//// smooth_clip
/* y = x / sqrt(1 + t^2) with t = x / limit, divided by m = max(1, |t|) within the root, so that no square is too large. */
static void smooth_clip(const float *x, float *y, int count, float limit)
{
    for (int i = 0; i < count; i++) {
        const float t = x[i] / limit, m = fabsf(t) > 1.0f ? fabsf(t) : 1.0f, a = 1.0f / m, b = t / m;
        y[i] = x[i] / m / sqrtf(a * a + b * b);
    }
}

//// scaling
/* y = scaled numbers, with the logarithm where it is taken; 0 for a missing one, which is NaN. Numbers become those at their bounds. */
static void scale_numbers(double *restrict x, float *restrict y, int count, const double *low, const double *high,
                          const unsigned char *logarithm, const double *mean, const double *scale)
{
    for (int i = 0; i < count; i++) {
        x[i] = x[i] < low[i] ? low[i] : x[i] > high[i] ? high[i] : x[i];
        double z = x[i];
        if (logarithm[i]) z = z < 0.0 ? -log1p(-z) : log1p(z);
        z = (z - mean[i]) / scale[i];
        y[i] = z == z ? (float)z : 0.0f;
    }
}

//// intervals
/* y = the position of a number in each interval: 0 below it, 1 above it; 0 for a missing number. */
static void locate(const double *restrict x, float *restrict y, int count, const int *owner, const double *low,
                   const double *high)
{
    for (int i = 0; i < count; i++) {
        const double p = (x[owner[i]] - low[i]) / (high[i] - low[i]);
        y[i] = p > 0.0 ? (p < 1.0 ? (float)p : 1.0f) : 0.0f;
    }
}

//// texts
/* Takes BLANKS from both ends of a text of `size` bytes, and returns how many are left. */
static size_t trim(const char **text, size_t size)
{
    const size_t count = sizeof BLANKS / sizeof *BLANKS;
    for (size_t i = 0; i < count; i++) {
        const size_t length = strlen(BLANKS[i]);
        if (length <= size && memcmp(*text, BLANKS[i], length) == 0) {
            *text += length;
            size -= length;
            i = (size_t)-1;
        } else if (length <= size && memcmp(*text + size - length, BLANKS[i], length) == 0) {
            size -= length;
            i = (size_t)-1;
        }
    }
    return size;
}

/* Whether a text is one of some others. */
static int is_one_of(const char *text, size_t size, const char *const *others, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(others[i]) == size && memcmp(text, others[i], size) == 0) return 1;
    return 0;
}

//// categories: texts
/* Where a text is among sorted ones, as its entry in `index`; -1 where it is none of them. */
static int find(const char *text, size_t size, const char *const *sorted, const int *index, int count)
{
    int low = 0, high = count;
    while (low < high) {
        const int middle = low + (high - low) / 2;
        int order = strncmp(sorted[middle], text, size);
        if (order == 0 && sorted[middle][size] != '\0') order = 1;
        if (order == 0) return index[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

/* The index of a category, -1 for a text that is none, -2 for a missing one. */
static int index_of(const char *text, const char *const *sorted, const int *index, int count)
{
    if (text == NULL) return -2;
    size_t size = strlen(text);
    const int found = find(text, size, sorted, index, count);
    if (found >= 0) return found;
    size = trim(&text, size);
    const int trimmed = find(text, size, sorted, index, count);
    if (trimmed >= 0) return trimmed;
    return is_one_of(text, size, MISSING_TEXTS, sizeof MISSING_TEXTS / sizeof *MISSING_TEXTS) ? -2 : -1;
}

//// indicators
/* y = 1 at the index of a category; of an ordered one also before it. */
static void mark(float *y, int index, int count, int ordered)
{
    for (int i = 0; i < count; i++) y[i] = (ordered ? i <= index : i == index) ? 1.0f : 0.0f;
}

//// softmax
/* y = exp(x) over its sum, for rows of `width` entries. */
static void softmax(const float *x, double *y, int rows, int width)
{
    for (int row = 0; row < rows; row++, x += width, y += width) {
        double largest = x[0], sum = 0.0;
        for (int i = 1; i < width; i++) largest = x[i] > largest ? x[i] : largest;
        for (int i = 0; i < width; i++) {
            y[i] = exp(x[i] - largest);
            sum += y[i];
        }
        for (int i = 0; i < width; i++) y[i] /= sum;
    }
}

//// logistic
/* y = 1 / (1 + exp(-x)). */
static void logistic(const float *x, double *y, int count)
{
    for (int i = 0; i < count; i++) {
        const double e = exp(-fabs((double)x[i]));
        y[i] = (x[i] < 0.0f ? e : 1.0) / (1.0 + e);
    }
}

//// exponentials
/* y = exp(x). */
static void exponentials(const float *x, double *y, int count)
{
    for (int i = 0; i < count; i++) y[i] = exp((double)x[i]);
}

//// numbers
/* y = x. */
static void numbers(const float *x, double *y, int count)
{
    for (int i = 0; i < count; i++) y[i] = x[i];
}

//// largest
/* The index of the largest number. */
static int largest(const double *x, int count)
{
    int best = 0;
    for (int i = 1; i < count; i++)
        if (x[i] > x[best]) best = i;
    return best;
}

//// least_cost
/* The class whose expected cost is the least; a row of `costs` has those of one right class. */
static int least_cost(const double *p, const double *costs, int count)
{
    int best = 0;
    double least = 0.0;
    for (int k = 0; k < count; k++) {
        double cost = 0.0;
        for (int i = 0; i < count; i++) cost += p[i] * costs[i * count + k];
        if (k == 0 || cost < least) {
            best = k;
            least = cost;
        }
    }
    return best;
}

//// sort
/* Sorts numbers from the least to the largest. */
static void sort(double *x, int count)
{
    for (int i = 1; i < count; i++)
        for (int k = i; k > 0 && x[k] < x[k - 1]; k--) {
            const double held = x[k];
            x[k] = x[k - 1];
            x[k - 1] = held;
        }
}

//// csv
/* Reads the cells of a row of a CSV file, one after the other into `text`; returns how many there are, 0 at the end of the file, and -1
   where they are too many or too long. */
static int read_cells(FILE *file, char *text, size_t size, char **cells, int most)
{
    size_t used = 0;
    int count = 0, quoted = 0, c = getc(file);
    if (c == EOF) return 0;
    for (cells[0] = text;; c = getc(file)) {
        if (used + 2 > size) return -1;
        if (c == '"' && quoted && (c = getc(file)) != '"') quoted = 0;
        else if (c == '"' && !quoted) {
            quoted = 1;
            continue;
        }
        if (c == EOF || (!quoted && (c == ',' || c == '\n'))) {
            if (c != ',' && used > 0 && text[used - 1] == '\r' && cells[count] < text + used) used--;
            text[used++] = '\0';
            count++;
            if (c != ',') return count;
            if (count == most) return -1;
            cells[count] = text + used;
        } else {
            text[used++] = (char)c;
        }
    }
}

/* Ends the program with a message that names a line. */
static int complain(long line, const char *what, const char *name)
{
    fprintf(stderr, "line %ld: %s%s%s\n", line, what, name[0] ? " " : "", name);
    return 2;
}

/* Prints a text as a cell of a CSV file, after a separator. */
static void print_cell(const char *separator, const char *text)
{
    printf("%s", separator);
    if (strpbrk(text, ",\"\r\n") == NULL) {
        printf("%s", text);
        return;
    }
    putchar('"');
    for (; *text; text++) {
        if (*text == '"') putchar('"');
        putchar(*text);
    }
    putchar('"');
}

//// parse: texts
/* Reads a number; 0 where a text is none. Lists of words for false and true come in turns. */
static int parse_number(const char *cell, double *number, const char *const *words, size_t count)
{
    char text[64], *end;
    size_t size = trim(&cell, strlen(cell));
    *number = NAN;
    if (is_one_of(cell, size, MISSING_NUMBERS, sizeof MISSING_NUMBERS / sizeof *MISSING_NUMBERS)) return 1;
    if (size >= sizeof text) return 0;
    memcpy(text, cell, size);
    text[size] = '\0';
    if (strspn(text, "0123456789+-.eE") == size) {
        *number = strtod(text, &end);
        return *end == '\0';
    }
    for (size_t i = 0; i < size; i++)
        if (text[i] >= 'A' && text[i] <= 'Z') text[i] = (char)(text[i] - 'A' + 'a');
    for (size_t i = 0; i < count; i++)
        if (strcmp(text, words[i]) == 0) {
            *number = (double)(i % 2);
            return 1;
        }
    return 0;
}
