/* Rows of a binary COPY made of Arrow arrays.

   What is written is what the database's own receive functions expect of each type, byte for byte
   what pgpq writes: tests/unit/test_wire.py holds the two together. An array comes by the Arrow C
   data interface, https://arrow.apache.org/docs/format/CDataInterface.html, and is only read. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct ArrowArray {
    int64_t length, null_count, offset, n_buffers, n_children;
    const void **buffers;
    struct ArrowArray **children;
    struct ArrowArray *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};

typedef struct {
    char kind;             /* one of the letters of KINDS in rows.py */
    int scale;             /* digits behind the point of a decimal */
    const uint8_t *valid;  /* a bit a value; NULL where none is NULL */
    const char *values;    /* values, or offsets of texts */
    const char *texts;
    int64_t offset;        /* of the array's first value in its buffers */
} Column;

#define EPOCH_DAYS 10957                          /* from 1970 to 2000 */
#define EPOCH_MICROS INT64_C(946684800000000)
#define DECIMAL_BYTES 32 /* a head of 8, and 39 digits in at most 11 groups of four */

static int bytes_of(char kind) /* at most, without texts and without the length before it */
{
    switch (kind) {
    case 'b': return 1;
    case 'h': return 2;
    case 'i': case 'f': case 'd': return 4;
    case 'q': case 'g': case 'm': case 't': return 8;
    case 'n': return DECIMAL_BYTES;
    default: return 0;
    }
}

static char *put16(char *to, uint16_t v)
{
    to[0] = (char)(v >> 8), to[1] = (char)v;
    return to + 2;
}

static char *put32(char *to, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(to, &v, 4);
    return to + 4;
}

static char *put64(char *to, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(to, &v, 8);
    return to + 8;
}

/* What fills the last group behind the point, by the scale. */
static const unsigned FILLING[] = {1, 1000, 100, 10};

static int small_groups(uint64_t v, uint16_t *groups)
{
    int count = 0;
    for (; v; v /= 10000) groups[count++] = (uint16_t)(v % 10000);
    return count;
}

/* A number's groups of four digits, the last first, the one behind the point filled. */
static int groups_of(unsigned __int128 v, int scale, uint16_t *groups)
{
    unsigned filling = FILLING[scale % 4];
    int count = 0;
    if (v <= UINT64_MAX / 1000) return small_groups((uint64_t)v * filling, groups);
    if (filling > 1) { /* 38 digits and three zeros are more than 128 bits hold */
        unsigned part = 10000 / filling;
        groups[count++] = (uint16_t)((unsigned)(v % part) * filling);
        v /= part;
    }
    for (; v > UINT64_MAX; v /= 10000) groups[count++] = (uint16_t)(v % 10000);
    return count + small_groups((uint64_t)v, groups + count);
}

static char *put_decimal(char *to, __int128 value, int scale)
{
    uint16_t groups[DECIMAL_BYTES];
    unsigned __int128 size =
        value < 0 ? 0 - (unsigned __int128)value : (unsigned __int128)value;
    int count = groups_of(size, scale, groups), first = 0;
    while (first < count && !groups[first]) first++; /* zeros at the end are not sent */
    int sent = count - first;
    to = put32(to, (uint32_t)(8 + 2 * sent));
    to = put16(to, (uint16_t)sent);
    to = put16(to, (uint16_t)(sent ? count - (scale + 3) / 4 - 1 : 0));
    to = put16(to, value < 0 ? 0x4000 : 0);
    to = put16(to, (uint16_t)scale);
    while (count > first) to = put16(to, groups[--count]);
    return to;
}

static int is_null(const Column *c, int64_t at)
{
    return c->valid && !(c->valid[at >> 3] >> (at & 7) & 1);
}

static uint32_t begin_of(const Column *c, int64_t at)
{
    uint32_t begin;
    memcpy(&begin, c->values + 4 * at, 4);
    return begin;
}

/* Most texts are short: for those a call of memcpy takes longer than the copy. */
static void copy_text(char *to, const char *from, uint32_t length)
{
    if (length >= 8 && length <= 16) {
        memcpy(to, from, 8);
        memcpy(to + length - 8, from + length - 8, 8);
    } else if (length == 1) {
        *to = *from;
    } else {
        memcpy(to, from, length);
    }
}

static char *put_text(char *to, const Column *c, int64_t at)
{
    uint32_t begin = begin_of(c, at), length = begin_of(c, at + 1) - begin;
    to = put32(to, length);
    copy_text(to, c->texts + begin, length);
    return to + length;
}

/* One value behind its length; NULL where the database has no such date. */
static char *put_value(char *to, const Column *c, int64_t at)
{
    uint16_t v16;
    int32_t v32;
    int64_t v64;
    __int128 v128;
    switch (c->kind) {
    case 's': return put_text(to, c, at);
    case 'n':
        memcpy(&v128, c->values + 16 * at, 16);
        return put_decimal(to, v128, c->scale);
    case 'b':
        to = put32(to, 1);
        *to = ((const uint8_t *)c->values)[at >> 3] >> (at & 7) & 1;
        return to + 1;
    case 'h':
        memcpy(&v16, c->values + 2 * at, 2);
        return put16(put32(to, 2), v16);
    case 'i': case 'f': case 'd':
        memcpy(&v32, c->values + 4 * at, 4);
        if (c->kind == 'd' && __builtin_sub_overflow(v32, EPOCH_DAYS, &v32)) return NULL;
        return put32(put32(to, 4), (uint32_t)v32);
    default:
        memcpy(&v64, c->values + 8 * at, 8);
        if (c->kind == 't' && __builtin_sub_overflow(v64, EPOCH_MICROS, &v64)) return NULL;
        return put64(put32(to, 8), (uint64_t)v64);
    }
}

/* How many bytes so many rows take at most. */
static size_t bytes_for(const Column *columns, Py_ssize_t count, int64_t row, int64_t rows)
{
    size_t bytes = 2;
    for (Py_ssize_t i = 0; i < count; i++) bytes += 4 + (size_t)bytes_of(columns[i].kind);
    bytes *= (size_t)rows;
    for (Py_ssize_t i = 0; i < count; i++) {
        int64_t at = columns[i].offset + row;
        if (columns[i].kind == 's') bytes += begin_of(&columns[i], at + rows) - begin_of(&columns[i], at);
    }
    return bytes;
}

/* How many of the rows from one on fit, at least one where there is any. */
static int64_t rows_that_fit(const Column *columns, Py_ssize_t count, int64_t row, int64_t left,
                             size_t bytes)
{
    int64_t rows = left;
    size_t needed;
    while (rows > 1 && (needed = bytes_for(columns, count, row, rows)) > bytes) {
        int64_t fewer = (int64_t)((double)rows * (double)bytes / (double)needed);
        rows = fewer < 1 ? 1 : fewer < rows ? fewer : rows - 1;
    }
    return rows;
}

static char *put_row(char *to, const Column *columns, Py_ssize_t count, int64_t row)
{
    to = put16(to, (uint16_t)count);
    for (Py_ssize_t i = 0; to && i < count; i++) {
        const Column *c = &columns[i];
        int64_t at = c->offset + row;
        to = is_null(c, at) ? put32(to, UINT32_MAX) : put_value(to, c, at);
    }
    return to;
}

typedef struct {
    char *data;
    size_t used;
    int64_t row;  /* the first one that was not written */
    int fault;    /* 'm' without memory, 'u' where a date underflows */
} Piece;

/* Writes rows from piece->row on, about as many as `wanted` bytes hold. */
static void fill(Piece *piece, const Column *columns, Py_ssize_t count, int64_t rows, size_t wanted)
{
    int64_t fitting = rows_that_fit(columns, count, piece->row, rows - piece->row, wanted);
    char *to = piece->data = malloc(bytes_for(columns, count, piece->row, fitting) + 1);
    if (!to) {
        piece->fault = 'm';
        return;
    }
    for (int64_t end = piece->row + fitting; piece->row < end; piece->row++) {
        if (!(to = put_row(to, columns, count, piece->row))) {
            piece->fault = 'u';
            return;
        }
    }
    piece->used = (size_t)(to - piece->data);
}

static int columns_of(const struct ArrowArray *array, const char *kinds, const char *scales,
                      Py_ssize_t count, Column *columns)
{
    for (Py_ssize_t i = 0; i < count; i++) {
        const struct ArrowArray *child = array->children[i];
        int buffers = kinds[i] == 's' ? 3 : 2;
        if (!strchr("bhifdqgmtns", kinds[i]) || child->n_buffers != buffers) {
            PyErr_SetString(PyExc_ValueError, "an array is not of its column's kind");
            return 0;
        }
        columns[i].kind = kinds[i];
        columns[i].scale = (unsigned char)scales[i];
        columns[i].valid = child->null_count ? child->buffers[0] : NULL;
        columns[i].values = child->buffers[1];
        columns[i].texts = buffers == 3 ? child->buffers[2] : NULL;
        columns[i].offset = child->offset + array->offset;
    }
    return 1;
}

static PyObject *written(const Piece *piece)
{
    if (piece->fault == 'm') return PyErr_NoMemory();
    if (piece->fault) {
        PyErr_Format(PyExc_ValueError,
                     "Underflow: row %lld holds a date or a time before the database's first one",
                     (long long)piece->row);
        return NULL;
    }
    return Py_BuildValue("(y#n)", piece->data, (Py_ssize_t)piece->used, (Py_ssize_t)piece->row);
}

static PyObject *encode(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *capsule;
    const char *kinds, *scales;
    Py_ssize_t count, n_scales, row, wanted;
    if (!PyArg_ParseTuple(args, "Oy#y#nn", &capsule, &kinds, &count, &scales, &n_scales, &row,
                          &wanted))
        return NULL;
    const struct ArrowArray *array = PyCapsule_GetPointer(capsule, "arrow_array");
    if (!array) return NULL;
    if (array->n_children != count || n_scales != count || row < 0 ||
        row > array->length || wanted < 1) {
        PyErr_SetString(PyExc_ValueError, "each column needs a kind and a scale");
        return NULL;
    }
    Column *columns = calloc((size_t)count + 1, sizeof(Column));
    Piece piece = {NULL, 0, row, 0};
    PyObject *made = NULL;
    if (!columns) {
        PyErr_NoMemory();
    } else if (columns_of(array, kinds, scales, count, columns)) {
        Py_BEGIN_ALLOW_THREADS
        fill(&piece, columns, count, array->length, (size_t)wanted);
        Py_END_ALLOW_THREADS
        made = written(&piece);
    }
    free(columns);
    free(piece.data);
    return made;
}

static PyMethodDef methods[] = {
    {"encode", encode, METH_VARARGS,
     "encode(arrow_array, kinds, scales, row, wanted, /)\n--\n\n"
     "Return (rows from that row on in about as many bytes as wanted, the next row)."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_rows", "Rows of a binary COPY made of Arrow arrays.", 0, methods,
    NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__rows(void) { return PyModule_Create(&module); }
