/* The two steps that touch each pixel of an edge. Results are those of the NumPy versions, byte for byte: the same operations in the
 * same order, and fused multiply-adds where OpenCV has them. */

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#pragma GCC target("avx2,fma")
#endif

#include "kernels.h"

enum { TILE = 16, WIDE = TILE / 2 + 2, BLOCK = 8 };

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
  float begin = (float)((start + 0.5) * scale - 0.5);
  for (int i = 0; i < count; i++) {
    float position = begin + (float)i * (float)scale, below = floorf(position);
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

/* The guided filter. */

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

void livebg_upsample(
    const float *coefficients, int rows, int columns, const uint8_t *luma, const uint8_t *u, const uint8_t *v, int height, int width,
    const uint8_t *classes, uint8_t *matte) {
  int down = (height + TILE - 1) / TILE, across = (width + TILE - 1) / TILE;
  for (int y = 0; y < height; y++)
    for (int i = 0; i < across; i++)
      memset(matte + (size_t)y * width + i * TILE, classes[y / TILE * across + i] == 1 ? 255 : 0, smaller(TILE, width - i * TILE));
  for (int j = 0; j < down; j++)
    for (int i = 0; i < across; i++) {
      if (classes[j * across + i] != 2) continue;
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
          matte[line + x] = (uint8_t)rintf(level < 255 ? level : 255);
        }
      }
    }
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
} samples;

/* Blend one plane of a block: see foreground_estimation.py and composite.py for the formulas. */
static void over(samples *s, int count, const uint8_t (*tables)[8]) {
  uint8_t weights[5][BLOCK * BLOCK];
  for (int i = 0; i < count; i++)
    for (int k = 0; k < 5; k++) weights[k][i] = tables[s->alpha[i]][k];
  for (int i = 0; i < count; i++) {
    uint16_t theirs = scaled(s->seen[i], weights[0][i]) + scaled(s->person[i], weights[1][i]);
    uint16_t rooms = scaled(s->room[i], weights[2][i]);
    theirs = theirs > 255 ? 255 : theirs;
    theirs = theirs > rooms ? theirs - rooms : 0;
    uint16_t shown = scaled(theirs, weights[3][i]) + scaled(s->out[i], weights[4][i]);
    s->out[i] = shown > 255 ? 255 : shown;
  }
}

typedef enum { ROOM, PERSON, EDGE } kind;

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
} scene;

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
  over(&luma, BLOCK * BLOCK, s->tables);
  for (int y = 0; y < rows; y++) memcpy(s->out + start + (size_t)y * s->width, luma.out + y * BLOCK, columns);
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
    over(&chroma[c], BLOCK * BLOCK / 4, s->tables);
    for (int y = 0; y < rows / 2; y++)
      memcpy(s->out + corner + (size_t)y * (s->width / 2), chroma[c].out + y * BLOCK / 2, columns / 2);
  }
}

static void copy_block(const scene *s, int top, int left, int rows, int columns) {
  size_t at = (size_t)top * s->width + left, luma = (size_t)s->height * s->width;
  copy(s->picture + at, s->out + at, s->width, rows, columns);
  at = luma + (size_t)(top / 2) * (s->width / 2) + left / 2;
  for (int c = 1; c < 3; c++, at += luma / 4) copy(s->picture + at, s->out + at, s->width / 2, rows / 2, columns / 2);
}

void livebg_blend(
    const uint8_t *picture, const uint8_t *alpha, int height, int width, const float *person, const float *room, int rows,
    int columns, const uint8_t *tables, uint8_t *out) {
  scene s = {picture, alpha, (const uint8_t (*)[8])tables, person, room, out, height, width, rows, columns};
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
