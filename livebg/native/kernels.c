/* The steps along the edge between person and room. Results are those of the NumPy functions, byte for byte: the same operations in
 * the same order, and fused multiply-adds where OpenCV has them. */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

typedef enum { ROOM, PERSON, EDGE } kind; /* what a tile contains, as in edges.py */

enum { TILE = 16, WIDE = TILE / 2 + 2, BLOCK = 8 };

enum { LUMA = 5, GAIN, LIT, UNITY = 64 }; /* columns of the tables of `livebg_blend`, and a gain of one */

typedef float quad __attribute__((vector_size(16))); /* four channels of a pixel */

/* Two neighboring samples and the weight of the second one. */
typedef struct {
  int first, second;
  float weight;
} tap;

static int clamp(int value, int length) { return value < 0 ? 0 : value < length ? value : length - 1; }

static int smaller(int a, int b) { return a < b ? a : b; }

/* Fill `taps` for `count` pixels from `start` on of a picture that is `scale` times as long as one with `length` samples. */
static void locate(tap *taps, int count, int start, double scale, int length) {
  for (int i = 0; i < count; i++) {
    float position = (float)((start + i + 0.5) * scale - 0.5), below = floorf(position);
    taps[i] = (tap){clamp((int)below, length), clamp((int)below + 1, length), position - below};
  }
}

static float mix(float a, float b, float weight) { return fmaf(weight, b - a, a); }

static quad mix4(quad a, quad b, float weight) {
  quad mixed;
  for (int c = 0; c < 4; c++) mixed[c] = fmaf(weight, b[c] - a[c], a[c]);
  return mixed;
}

static quad load(const float *source) {
  quad value;
  memcpy(&value, source, sizeof value);
  return value;
}

/* Interpolate a picture of four channels at `count` by `count` places. */
static void interpolate(const float *picture, int columns, const tap *down, const tap *across, int count, quad out[WIDE][WIDE]) {
  quad lines[2][WIDE];
  int at[2] = {-1, -1};
  for (int y = 0; y < count; y++) {
    int rows[2] = {down[y].first, down[y].second};
    for (int i = 0; i < 2; i++) {
      if (at[i] == rows[i]) continue;
      const float *line = picture + (size_t)rows[i] * columns * 4;
      for (int x = 0; x < count; x++)
        lines[i][x] = mix4(load(line + 4 * across[x].first), load(line + 4 * across[x].second), across[x].weight);
      at[i] = rows[i];
    }
    for (int x = 0; x < count; x++) out[y][x] = mix4(lines[0][x], lines[1][x], down[y].weight);
  }
}

/* Box filter. */

static int mirrored(int index, int length) {
  if (length == 1) return 0;
  while (index < 0 || index >= length) index = index < 0 ? -index : 2 * (length - 1) - index;
  return index;
}

/* Number of doubles that `blur` needs. */
static size_t blur_work(int width, int channels, int size) { return (size_t)(size + 2) * (width + size) * channels; }

/* Average `size` by `size` pixels, in the order of cv2.blur: sums of rows, and a running sum of these, in double precision. */
static void blur(const float *restrict in, float *restrict out, int height, int width, int channels, int size, double *work) {
  int length = width * channels, reach = size / 2, step = (width + size) * channels;
  double *sum = work + (size_t)size * step, *line = sum + step, scale = 1.0 / (size * size);
  memset(sum, 0, length * sizeof *sum);
  for (int y = -reach; y < height + reach; y++) {
    const float *source = in + (size_t)mirrored(y, height) * length;
    double *restrict newest = work + (size_t)((y + reach) % size) * step, *oldest = work + (size_t)((y + reach + 1) % size) * step;
    for (int i = 0; i < length; i++) line[i + reach * channels] = source[i];
    for (int x = 0; x < reach; x++)
      for (int c = 0; c < channels; c++) {
        line[x * channels + c] = source[mirrored(x - reach, width) * channels + c];
        line[(width + reach + x) * channels + c] = source[mirrored(width + x, width) * channels + c];
      }
    for (int i = 0; i < length; i++) newest[i] = line[i] + line[i + channels] + line[i + 2 * channels];
    for (int k = 3; k < size; k++)
      for (int i = 0; i < length; i++) newest[i] += line[i + k * channels];
    if (y < reach) {
      for (int i = 0; i < length; i++) sum[i] += newest[i];
      continue;
    }
    float *target = out + (size_t)(y - reach) * length;
    for (int i = 0; i < length; i++) {
      double total = sum[i] + newest[i];
      target[i] = (float)(total * scale);
      sum[i] = total - oldest[i];
    }
  }
}

/* The guided filter. */

/* The values whose means the filter needs: Y, U, V and alpha, their products with Y, U and V. */
enum { MEANS = 13 };
static const int FACTORS[MEANS - 4][2] = {{0, 0}, {1, 0}, {1, 1}, {2, 0}, {2, 1}, {2, 2}, {3, 0}, {3, 1}, {3, 2}};

/* Solve the regression at each pixel; `m` are the means. Writes slopes for Y, U and V and the offset. */
static void regress(const float *restrict m, size_t pixels, const float epsilons[3], float low, float *restrict out) {
  float epsilon[] = {epsilons[0], epsilons[1], epsilons[2]};
  for (size_t i = 0; i < pixels; i++) {
    float my = m[i], mu = m[pixels + i], mv = m[2 * pixels + i], ma = m[3 * pixels + i];
    float yy = m[4 * pixels + i] - my * my + epsilon[0];
    float yu = m[5 * pixels + i] - mu * my, uu = m[6 * pixels + i] - mu * mu + epsilon[1];
    float yv = m[7 * pixels + i] - mv * my, uv = m[8 * pixels + i] - mv * mu, vv = m[9 * pixels + i] - mv * mv + epsilon[2];
    float ya = m[10 * pixels + i] - my * ma, ua = m[11 * pixels + i] - mu * ma, va = m[12 * pixels + i] - mv * ma;
    float u_by_y = yu / yy, v_by_y = yv / yy;
    uu = uu - u_by_y * yu, uv = uv - u_by_y * yv, ua = ua - u_by_y * ya;
    float v_by_u = uv / uu;
    float v = (va - v_by_y * ya - v_by_u * ua) / (vv - v_by_y * yv - v_by_u * uv);
    float u = ua / uu - v_by_u * v;
    float y = ya / yy - u_by_y * u - v_by_y * v;
    out[4 * i] = y, out[4 * i + 1] = u, out[4 * i + 2] = v;
    out[4 * i + 3] = ma - low - y * (my + 128) - u * (mu + 128) - v * (mv + 128);
  }
}

int livebg_fit(
    const uint8_t *guides, const float *alpha, int height, int width, int size, const float *epsilons, float low, float gain,
    float *coefficients) {
  size_t pixels = (size_t)height * width;
  double *work = malloc(blur_work(width, 4, size) * sizeof *work + (MEANS + 4 + 1) * pixels * sizeof(float));
  if (!work) return -1;
  float *values = (float *)(work + blur_work(width, 4, size)), *product = values + 4 * pixels, *means = product + pixels;
  for (size_t i = 0; i < 3 * pixels; i++) values[i] = guides[i] - 128.0f;
  memcpy(values + 3 * pixels, alpha, pixels * sizeof *alpha);
  for (int k = 0; k < MEANS; k++) {
    const float *source = values + k * pixels;
    if (k >= 4) {
      const float *one = values + FACTORS[k - 4][0] * pixels, *other = values + FACTORS[k - 4][1] * pixels;
      for (size_t i = 0; i < pixels; i++) product[i] = one[i] * other[i];
      source = product;
    }
    blur(source, means + k * pixels, height, width, 1, size, work);
  }
  regress(means, pixels, epsilons, low, values);
  blur(values, coefficients, height, width, 4, size, work);
  for (size_t i = 0; i < 4 * pixels; i++) coefficients[i] *= gain;
  free(work);
  return 0;
}

/* Double `in` by linear interpolation, without the margin. */
static void enlarge(float in[WIDE][WIDE], float out[TILE][TILE]) {
  float lines[WIDE][TILE];
  for (int y = 0; y < WIDE; y++)
    for (int x = 0; x < TILE / 2; x++) {
      lines[y][2 * x] = mix(in[y][x], in[y][x + 1], 0.75f);
      lines[y][2 * x + 1] = mix(in[y][x + 1], in[y][x + 2], 0.25f);
    }
  for (int y = 0; y < TILE / 2; y++)
    for (int x = 0; x < TILE; x++) {
      out[2 * y][x] = mix(lines[y][x], lines[y + 1][x], 0.75f);
      out[2 * y + 1][x] = mix(lines[y + 1][x], lines[y + 2][x], 0.25f);
    }
}

void livebg_evaluate(
    const float *coefficients, int rows, int columns, const uint8_t *luma, const uint8_t *u, const uint8_t *v, int height, int width,
    const uint8_t *content, uint8_t *alpha) {
  int down = (height + TILE - 1) / TILE, across = (width + TILE - 1) / TILE;
  for (int y = 0; y < height; y++)
    for (int i = 0; i < across; i++)
      memset(
          alpha + (size_t)y * width + i * TILE, content[y / TILE * across + i] == PERSON ? 255 : 0, smaller(TILE, width - i * TILE));
  for (int j = 0; j < down; j++)
    for (int i = 0; i < across; i++) {
      if (content[j * across + i] != EDGE) continue;
      int top = smaller(j * TILE, height - TILE), left = smaller(i * TILE, width - TILE);
      tap vertical[WIDE], horizontal[WIDE];
      locate(vertical, WIDE, top / 2 - 1, rows / (double)(height / 2), rows);
      locate(horizontal, WIDE, left / 2 - 1, columns / (double)(width / 2), columns);
      quad lines[WIDE][WIDE];
      interpolate(coefficients, columns, vertical, horizontal, WIDE, lines);
      float slope[WIDE][WIDE], offset[WIDE][WIDE], slopes[TILE][TILE], offsets[TILE][TILE];
      for (int y = 0; y < WIDE; y++)
        for (int x = 0; x < WIDE; x++) {
          size_t place = (size_t)clamp(top / 2 - 1 + y, height / 2) * (width / 2) + clamp(left / 2 - 1 + x, width / 2);
          slope[y][x] = lines[y][x][0];
          offset[y][x] = lines[y][x][3] + lines[y][x][1] * u[place] + lines[y][x][2] * v[place];
        }
      enlarge(slope, slopes);
      enlarge(offset, offsets);
      for (int y = 0; y < TILE; y++) {
        size_t line = (size_t)(top + y) * width + left;
        for (int x = 0; x < TILE; x++) {
          float level = slopes[y][x] * luma[line + x] + offsets[y][x];
          level = level > 0 ? level : 0;
          alpha[line + x] = (uint8_t)rintf(level < 255 ? level : 255);
        }
      }
    }
}

/* Erosion and dilation. */

static uint8_t least(uint8_t a, uint8_t b) { return a < b ? a : b; }

/* Take the minimum around each pixel of a line, which has one more on each side: over a cross, or over a square of 3x3. */
static void shrink(
    const uint8_t *restrict above, const uint8_t *restrict here, const uint8_t *restrict below, uint8_t *restrict out, int width,
    int square) {
  for (int x = 1; x <= width; x++) out[x] = least(least(least(here[x - 1], here[x]), here[x + 1]), least(above[x], below[x]));
  if (square)
    for (int x = 1; x <= width; x++)
      out[x] = least(out[x], least(least(above[x - 1], above[x + 1]), least(below[x - 1], below[x + 1])));
}

/* Each step shrinks a line of the step before once the next line is there, so all stay in the cache. Growing shrinks the inverse. */
int livebg_shift(
    const uint8_t *alpha, int width, int top, int left, int rows, int columns, int steps, int share, int grow, uint8_t *out) {
  size_t line = (size_t)columns + 2, size = 3 * line * (steps + 1);
  uint8_t *lines = malloc(size), flip = grow ? 255 : 0;
  if (!lines) return -1;
  memset(lines, 255, size); /* what is outside counts for nothing */
#define LINE(step, y) (lines + (3 * (size_t)(step) + ((y) + 3) % 3) * line)
  for (int newest = 0; newest < rows + steps; newest++) {
    uint8_t *restrict first = LINE(0, newest) + 1;
    const uint8_t *restrict source = alpha + (size_t)(top + newest) * width + left;
    for (int x = 0; x < columns; x++) first[x] = newest < rows ? source[x] ^ flip : 255;
    for (int k = 1, y = newest - 1; k <= steps && y >= 0; k++, y--)
      if (y < rows)
        shrink(LINE(k - 1, y - 1), LINE(k - 1, y), LINE(k - 1, y + 1), LINE(k, y), columns, k % 2 == 0);
      else
        memset(LINE(k, y), 255, line);
    int y = newest - steps;
    const uint8_t *restrict before = LINE(steps - 1, y + 3) + 1, *restrict after = LINE(steps, y + 3) + 1;
    uint8_t *restrict target = out + (size_t)(top + y) * width + left;
    for (int x = 0; x < columns && y >= 0; x++)
      target[x] = ((after[x] ^ flip) * share + (before[x] ^ flip) * (256 - share) + 128) >> 8;
  }
#undef LINE
  free(lines);
  return 0;
}

/* Estimation of the person's and the room's color. */

/* Replace `colors` by their mean around each pixel, weighted by `counts`; `summed` is working memory. */
static void average(float *colors, float *counts, float *summed, int height, int width, int radius, double *work) {
  size_t pixels = (size_t)height * width;
  for (size_t i = 0; i < 4 * pixels; i++) colors[i] *= counts[i / 4];
  blur(colors, summed, height, width, 4, 2 * radius + 1, work);
  for (size_t i = 0; i < pixels; i++) {
    float scale = 1 / summed[4 * i + 3];
    for (int c = 0; c < 4; c++) colors[4 * i + c] = summed[4 * i + c] * scale;
  }
}

static float clip(float value) { return value < 0 ? 0 : value > 255 ? 255 : value; }

int livebg_estimate(const uint8_t *planes, int height, int width, float minimum, float *person, float *room) {
  size_t pixels = (size_t)height * width;
  double *work = malloc(blur_work(width, 4, 5) * sizeof *work + 10 * pixels * sizeof(float));
  if (!work) return -1;
  float *seen = (float *)(work + blur_work(width, 4, 5)), *summed = seen + 4 * pixels;
  float *persons = summed + 4 * pixels, *rooms = persons + pixels;
  for (size_t i = 0; i < pixels; i++) {
    for (int c = 0; c < 4; c++) person[4 * i + c] = room[4 * i + c] = seen[4 * i + c] = c < 3 ? planes[c * pixels + i] : 1;
    float share = planes[3 * pixels + i] * (1 / 255.0f), rest = 1 - share;
    persons[i] = share * share + minimum, rooms[i] = rest * rest + minimum;
  }
  average(person, persons, summed, height, width, 2, work);
  average(room, rooms, summed, height, width, 2, work);
  for (size_t i = 0; i < pixels; i++) {
    float share = planes[3 * pixels + i] * (1 / 255.0f), rest = 1 - share;
    for (size_t k = 4 * i; k < 4 * i + 4; k++) {
      float unexplained = seen[k] - share * person[k] - rest * room[k];
      person[k] = clip(share * unexplained + person[k]);
      room[k] = clip(rest * unexplained + room[k]);
    }
  }
  average(person, persons, summed, height, width, 1, work);
  average(room, rooms, summed, height, width, 1, work);
  for (size_t i = 0; i < 4 * pixels; i++) person[i] = rintf(person[i]), room[i] = rintf(room[i]);
  free(work);
  return 0;
}

/* Compositing. */

/* a * b / 255, rounded. */
static uint16_t scaled(uint16_t a, uint16_t b) {
  uint16_t product = a * b + 128;
  return (uint16_t)(product + (product >> 8)) >> 8;
}

/* The samples of one plane in a block; `count` is a multiple of 16. */
typedef struct {
  uint8_t seen[BLOCK * BLOCK], alpha[BLOCK * BLOCK], person[BLOCK * BLOCK], room[BLOCK * BLOCK], out[BLOCK * BLOCK];
  uint8_t lit[BLOCK * BLOCK];
} samples;

/* Blend one plane of a block: see foreground_estimation.py, tone_curve.py and composite.py for the formulas. */
static inline void over(samples *s, int count, const uint8_t (*tables)[8], int light) {
  uint8_t weights[6][BLOCK * BLOCK];
  for (int i = 0; i < count; i++)
    for (int k = 0; k < 5; k++) weights[k][i] = tables[s->alpha[i]][k];
  for (int i = 0; i < count && light; i++) weights[5][i] = tables[s->alpha[i]][LIT];
  for (int i = 0; i < count; i++) {
    uint16_t theirs = scaled(s->seen[i], weights[0][i]) + scaled(s->person[i], weights[1][i]);
    uint16_t rooms = scaled(s->room[i], weights[2][i]);
    theirs = theirs > 255 ? 255 : theirs;
    theirs = theirs > rooms ? theirs - rooms : 0;
    if (light) {
      uint16_t plain = scaled(s->seen[i], weights[5][i]);
      theirs = (theirs > plain ? theirs - plain : 0) + scaled(s->lit[i], weights[5][i]);
      theirs = theirs > 255 ? 255 : theirs;
    }
    uint16_t shown = scaled(theirs, weights[3][i]) + scaled(s->out[i], weights[4][i]);
    s->out[i] = shown > 255 ? 255 : shown;
  }
}

static kind classify(const uint8_t *alpha, int width) {
  uint64_t every = UINT64_MAX, any = 0;
  for (int y = 0; y < BLOCK; y++) {
    uint64_t line;
    memcpy(&line, alpha + (size_t)y * width, sizeof line);
    every &= line;
    any |= line;
  }
  return every == UINT64_MAX ? PERSON : any ? EDGE : ROOM;
}

static void copy(const uint8_t *picture, uint8_t *out, int width, int rows, int columns) {
  for (int y = 0; y < rows; y++) memcpy(out + (size_t)y * width, picture + (size_t)y * width, columns);
}

typedef struct {
  const uint8_t *picture, *alpha, (*tables)[8];
  const float *person, *room;
  uint8_t *out;
  int height, width, rows, columns;
  int light;                     /* whether there is any */
  uint8_t luma[256], gain[256]; /* columns of the tables */
} scene;

/* Light on the person: see tone_curve.py for the formulas. */

static uint8_t clip8(int level) { return level < 0 ? 0 : level > 255 ? 255 : level; }

static void lookup(const uint8_t *restrict table, const uint8_t *restrict in, uint8_t *restrict out, int count) {
  for (int i = 0; i < count; i++) out[i] = table[in[i]];
}

static void amplify(const uint8_t *restrict in, const uint8_t *restrict gains, uint8_t *restrict out, int count) {
  for (int i = 0; i < count; i++) out[i] = clip8(128 + (((in[i] - 128) * gains[i] + UNITY / 2) >> 6));
}

/* The mean of each 2x2 block of two rows. */
static void halve(const uint8_t *restrict first, const uint8_t *restrict second, uint8_t *restrict out, int count) {
  for (int i = 0; i < count; i++) out[i] = (first[2 * i] + first[2 * i + 1] + second[2 * i] + second[2 * i + 1] + 2) / 4;
}

static void relight_block(const scene *s, samples *luma, samples chroma[2]) {
  uint8_t means[BLOCK * BLOCK / 4], gains[BLOCK * BLOCK / 4];
  for (int y = 0; y < BLOCK; y += 2) halve(luma->seen + y * BLOCK, luma->seen + (y + 1) * BLOCK, means + y * BLOCK / 4, BLOCK / 2);
  lookup(s->gain, means, gains, BLOCK * BLOCK / 4);
  for (int c = 0; c < 2; c++) amplify(chroma[c].seen, gains, chroma[c].lit, BLOCK * BLOCK / 4);
  lookup(s->luma, luma->seen, luma->lit, BLOCK * BLOCK);
}

/* Copy a part of the person, brightened. */
static void relight(const scene *s, int top, int left, int rows, int columns) {
  enum { CHUNK = 128 };
  size_t size = (size_t)s->height * s->width;
  for (int y = top; y < top + rows; y += 2)
    for (int x = left; x < left + columns; x += CHUNK) {
      int count = smaller(CHUNK, left + columns - x);
      size_t at = (size_t)y * s->width + x, below = at + s->width, half = size + (size_t)(y / 2) * (s->width / 2) + x / 2;
      uint8_t means[CHUNK / 2], gains[CHUNK / 2];
      halve(s->picture + at, s->picture + below, means, count / 2);
      lookup(s->gain, means, gains, count / 2);
      lookup(s->luma, s->picture + at, s->out + at, count);
      lookup(s->luma, s->picture + below, s->out + below, count);
      for (int c = 0; c < 2; c++, half += size / 4) amplify(s->picture + half, gains, s->out + half, count / 2);
    }
}

static void blend_block(const scene *s, int top, int left, int rows, int columns) {
  tap down[BLOCK / 2], across[BLOCK / 2];
  locate(down, BLOCK / 2, top / 2, s->rows / (double)(s->height / 2), s->rows);
  locate(across, BLOCK / 2, left / 2, s->columns / (double)(s->width / 2), s->columns);
  quad persons[WIDE][WIDE], rooms[WIDE][WIDE];
  interpolate(s->person, s->columns, down, across, BLOCK / 2, persons);
  interpolate(s->room, s->columns, down, across, BLOCK / 2, rooms);
  samples luma, chroma[2];
  for (int i = 0; i < BLOCK * BLOCK / 4; i++) {
    int y = i / (BLOCK / 2), x = i % (BLOCK / 2);
    uint8_t person[3], room[3];
    for (int c = 0; c < 3; c++) person[c] = (uint8_t)rintf(persons[y][x][c]), room[c] = (uint8_t)rintf(rooms[y][x][c]);
    int at = 2 * y * BLOCK + 2 * x, pixels[] = {at, at + 1, at + BLOCK, at + BLOCK + 1};
    for (int k = 0; k < 4; k++) luma.person[pixels[k]] = person[0], luma.room[pixels[k]] = room[0];
    for (int c = 0; c < 2; c++) chroma[c].person[i] = person[c + 1], chroma[c].room[i] = room[c + 1];
  }
  size_t size = (size_t)s->height * s->width, start = (size_t)top * s->width + left;
  for (int y = 0; y < BLOCK; y++) {
    memcpy(luma.seen + y * BLOCK, s->picture + start + (size_t)y * s->width, BLOCK);
    memcpy(luma.alpha + y * BLOCK, s->alpha + start + (size_t)y * s->width, BLOCK);
    memcpy(luma.out + y * BLOCK, s->out + start + (size_t)y * s->width, BLOCK);
  }
  for (int i = 0; i < BLOCK * BLOCK / 4; i++) {
    const uint8_t *alpha = luma.alpha + i / (BLOCK / 2) * 2 * BLOCK + i % (BLOCK / 2) * 2;
    chroma[0].alpha[i] = chroma[1].alpha[i] = (alpha[0] + alpha[1] + alpha[BLOCK] + alpha[BLOCK + 1] + 2) / 4;
  }
  for (int c = 0; c < 2; c++) {
    size_t corner = size + size / 4 * c + (size_t)(top / 2) * (s->width / 2) + left / 2;
    for (int y = 0; y < BLOCK / 2; y++) {
      memcpy(chroma[c].seen + y * BLOCK / 2, s->picture + corner + (size_t)y * (s->width / 2), BLOCK / 2);
      memcpy(chroma[c].out + y * BLOCK / 2, s->out + corner + (size_t)y * (s->width / 2), BLOCK / 2);
    }
  }
  if (s->light) relight_block(s, &luma, chroma);
  s->light ? over(&luma, BLOCK * BLOCK, s->tables, 1) : over(&luma, BLOCK * BLOCK, s->tables, 0);
  for (int y = 0; y < rows; y++) memcpy(s->out + start + (size_t)y * s->width, luma.out + y * BLOCK, columns);
  for (int c = 0; c < 2; c++) {
    size_t corner = size + size / 4 * c + (size_t)(top / 2) * (s->width / 2) + left / 2;
    s->light ? over(&chroma[c], BLOCK * BLOCK / 4, s->tables, 1) : over(&chroma[c], BLOCK * BLOCK / 4, s->tables, 0);
    for (int y = 0; y < rows / 2; y++)
      memcpy(s->out + corner + (size_t)y * (s->width / 2), chroma[c].out + y * BLOCK / 2, columns / 2);
  }
}

static void copy_block(const scene *s, int top, int left, int rows, int columns) {
  if (s->light) {
    relight(s, top, left, rows, columns);
    return;
  }
  size_t at = (size_t)top * s->width + left, luma = (size_t)s->height * s->width;
  copy(s->picture + at, s->out + at, s->width, rows, columns);
  at = luma + (size_t)(top / 2) * (s->width / 2) + left / 2;
  for (int c = 1; c < 3; c++, at += luma / 4) copy(s->picture + at, s->out + at, s->width / 2, rows / 2, columns / 2);
}

void livebg_blend(
    const uint8_t *picture, const uint8_t *alpha, int height, int width, const float *person, const float *room, int rows,
    int columns, const uint8_t *tables, uint8_t *out) {
  scene s = {picture, alpha, (const uint8_t (*)[8])tables, person, room, out, height, width, rows, columns, 0, {0}, {0}};
  for (int i = 0; i < 256; i++) s.luma[i] = s.tables[i][LUMA], s.gain[i] = s.tables[i][GAIN], s.light |= s.tables[i][LIT];
  for (int y = 0; y < height; y += BLOCK) {
    int top = smaller(y, height - BLOCK), lines = smaller(BLOCK, height - BLOCK - top);
    if (lines <= 0) lines = BLOCK;
    for (int x = 0, first = 0; x < width; x += BLOCK) {
      /* The last block overlaps the one before if the width is not a multiple; the one before then ends where it begins. */
      int left = smaller(x, width - BLOCK), length = smaller(BLOCK, width - BLOCK - left);
      if (length <= 0) length = BLOCK;
      kind now = classify(alpha + (size_t)top * width + left, width);
      if (now == EDGE) blend_block(&s, top, left, lines, length);
      if (now != PERSON) {
        if (first < left) copy_block(&s, top, first, lines, left - first);
        first = left + length;
      } else if (left + length >= width) {
        copy_block(&s, top, first, lines, width - first);
      }
    }
  }
}
