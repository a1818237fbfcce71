/* Lines of a text COPY as the buffers of Arrow arrays: the quick way for what is ordinary.

   decode() knows integers, decimals, dates, times and texts as PostgreSQL writes them. Whatever
   else it meets, a value with an escape, infinity, a year before Christ, a number out of range, a
   line of another width, it returns None, and Arrow's own reader has the word. So it need not be
   complete, only right; tests/property/test_encode_round_trip.py holds the two together.

   Memory: a block ends with a line feed, or is not looked at. Every scan stops at a line feed, so
   none passes the end; every write is at a row below the count of line feeds. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_MICROS INT64_C(-62135596800000000) /* of year 1 */
#define LAST_MICROS INT64_C(253402300799999999)  /* of year 9999 */

typedef struct {
    char kind;          /* one of the letters of KINDS in lines.py */
    int precision, scale;
    PyObject *values;   /* bytes: fixed-width values, or offsets of texts */
    PyObject *texts;    /* bytes: texts one after the other; NULL for other kinds */
    char *out;          /* where values are written */
    uint32_t *starts;   /* where each text begins in the block */
    uint8_t *valid;     /* a bit a row; NULL while no value is NULL */
} Column;

static int width_of(char kind)
{
    switch (kind) {
    case 'h': return 2;
    case 'i': case 'd': case 's': return 4;
    case 'q': case 'm': case 't': case 'z': return 8;
    case 'n': return 16;
    default: return 0;
    }
}

/* Digits from p on as a number; NULL where there are none, or more than 19, which may not fit. */
static const char *digits(const char *p, uint64_t *value)
{
    const char *begin = p;
    uint64_t v = 0;
    while ((unsigned char)(*p - '0') <= 9) v = v * 10 + (unsigned)(*p++ - '0');
    if (p == begin || p - begin > 19) return NULL;
    *value = v;
    return p;
}

static const char *fixed_digits(const char *p, int count, int *value)
{
    int v = 0;
    for (int i = 0; i < count; i++, p++) {
        if ((unsigned char)(*p - '0') > 9) return NULL;
        v = v * 10 + (*p - '0');
    }
    *value = v;
    return p;
}

static const char *integer(const char *p, char kind, char *out)
{
    int negative = *p == '-';
    uint64_t size;
    if (!(p = digits(p + negative, &size)) || size > (uint64_t)INT64_MAX + (unsigned)negative)
        return NULL;
    int64_t v = (int64_t)(negative ? 0 - size : size);
    if (kind == 'h') {
        int16_t small = (int16_t)v;
        if (small != v) return NULL;
        memcpy(out, &small, 2);
    } else if (kind == 'i') {
        int32_t small = (int32_t)v;
        if (small != v) return NULL;
        memcpy(out, &small, 4);
    } else {
        memcpy(out, &v, 8);
    }
    return p;
}

/* A decimal with at most `scale` digits behind its point, and `precision` in all. */
static const char *decimal(const char *p, int precision, int scale, char *out)
{
    int negative = *p == '-', behind = 0, count = 0;
    unsigned __int128 v = 0;
    p += negative;
    const char *begin = p;
    while (*p == '0') p++;
    for (; (unsigned char)(*p - '0') <= 9; p++, count++) {
        if (count >= precision) return NULL;
        v = v * 10 + (unsigned)(*p - '0');
    }
    if (p == begin || count > precision - scale) return NULL;
    if (*p == '.') {
        const char *point = p++;
        for (; (unsigned char)(*p - '0') <= 9; p++, behind++) {
            if (behind >= scale) return NULL;
            v = v * 10 + (unsigned)(*p - '0');
        }
        if (p == point + 1) return NULL;
    }
    for (; behind < scale; behind++) v *= 10;
    __int128 made = negative ? -(__int128)v : (__int128)v;
    memcpy(out, &made, 16);
    return p;
}

/* YYYY-MM-DD as days since 1970. */
static const char *date(const char *p, int64_t *days)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int y, m, d;
    if (!(p = fixed_digits(p, 4, &y)) || *p++ != '-') return NULL;
    if (!(p = fixed_digits(p, 2, &m)) || *p++ != '-') return NULL;
    if (!(p = fixed_digits(p, 2, &d))) return NULL;
    if (y < 1 || m < 1 || m > 12 || d < 1) return NULL;
    int leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    if (d > lengths[m - 1] + (m == 2 && leap)) return NULL;
    /* Years counted from March, so that the leap day comes last. */
    y -= m <= 2;
    int of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    *days = (int64_t)365 * y + y / 4 - y / 100 + y / 400 + of_year - 719468;
    return p;
}

/* HH:MM:SS[.ffffff] as microseconds. */
static const char *clock_time(const char *p, int64_t *micros)
{
    int hour, minute, second, fraction = 0;
    if (!(p = fixed_digits(p, 2, &hour)) || *p++ != ':') return NULL;
    if (!(p = fixed_digits(p, 2, &minute)) || *p++ != ':') return NULL;
    if (!(p = fixed_digits(p, 2, &second))) return NULL;
    if (hour > 23 || minute > 59 || second > 59) return NULL;
    if (*p == '.') {
        const char *point = p++;
        for (; (unsigned char)(*p - '0') <= 9 && p - point <= 6; p++)
            fraction = fraction * 10 + (*p - '0');
        if (p == point + 1) return NULL;
        for (const char *q = p; q - point <= 6; q++) fraction *= 10;
    }
    *micros = ((hour * 60 + minute) * 60 + second) * INT64_C(1000000) + fraction;
    return p;
}

/* Two digits, or none where the character before them is missing; -1 for another text. */
static const char *part(const char *p, char before, int *value)
{
    *value = 0;
    if (before && *p != before) return p;
    return fixed_digits(p + (before != 0), 2, value);
}

/* The offset of a session's zone, as in +00, -05, +05:30 or +00:19:32, in microseconds. */
static const char *zone_offset(const char *p, int64_t *micros)
{
    int hours, minutes, seconds = 0, west = *p == '-';
    if (!west && *p != '+') return NULL;
    if (!(p = part(p + 1, 0, &hours)) || !(p = part(p, ':', &minutes))) return NULL;
    if (!(p = part(p, ':', &seconds))) return NULL;
    *micros = ((hours * 60 + minutes) * 60 + seconds) * INT64_C(1000000) * (west ? -1 : 1);
    return p;
}

/* A date and a time, with an offset behind them where there is a zone, in microseconds. What is of
   another year than 1 to 9999 in UTC is not ordinary. */
static const char *timestamp(const char *p, int zoned, int64_t *micros)
{
    int64_t days, of_day, offset = 0;
    if (!(p = date(p, &days)) || *p++ != ' ') return NULL;
    if (!(p = clock_time(p, &of_day))) return NULL;
    if (zoned && !(p = zone_offset(p, &offset))) return NULL;
    *micros = days * INT64_C(86400000000) + of_day - offset;
    if (offset && (*micros < FIRST_MICROS || *micros > LAST_MICROS)) return NULL;
    return p;
}

static const char *value(const char *p, const Column *c, char *out)
{
    int64_t v = 0;
    int32_t days;
    switch (c->kind) {
    case 'h': case 'i': case 'q': return integer(p, c->kind, out);
    case 'n': return decimal(p, c->precision, c->scale, out);
    case 'd':
        p = date(p, &v);
        days = (int32_t)v;
        memcpy(out, &days, 4);
        return p;
    case 'm': p = clock_time(p, &v); break;
    case 't': p = timestamp(p, 0, &v); break;
    case 'z': p = timestamp(p, 1, &v); break;
    default: return NULL;
    }
    memcpy(out, &v, 8);
    return p;
}

static int set_null(Column *c, Py_ssize_t row, Py_ssize_t rows)
{
    if (!c->valid) {
        if (!(c->valid = malloc((size_t)rows / 8 + 1))) return 0;
        memset(c->valid, 0xff, (size_t)rows / 8 + 1);
    }
    c->valid[row / 8] &= (uint8_t)~(1u << (row % 8));
    return 1;
}

/* Reads all lines; 0 where something is not ordinary. */
static int scan(const char *block, Py_ssize_t rows, Column *columns, Py_ssize_t count)
{
    const char *p = block;
    for (Py_ssize_t row = 0; row < rows; row++) {
        for (Py_ssize_t i = 0; i < count; i++) {
            Column *c = &columns[i];
            char end = i + 1 < count ? '\t' : '\n';
            int is_text = c->kind == 's', width = width_of(c->kind);
            char *out = c->out + (row + is_text) * width;
            if (p[0] == '\\') {
                if (p[1] != 'N' || !set_null(c, row, rows)) return 0;
                if (is_text) {
                    memcpy(out, out - 4, 4);
                    c->starts[row] = (uint32_t)(p - block);
                } else {
                    memset(out, 0, (size_t)width);
                }
                p += 2;
            } else if (is_text) {
                const char *begin = p;
                uint32_t offset;
                while (*p != '\t' && *p != '\n' && *p != '\\') p++;
                c->starts[row] = (uint32_t)(begin - block);
                memcpy(&offset, out - 4, 4);
                offset += (uint32_t)(p - begin);
                memcpy(out, &offset, 4);
            } else if (!(p = value(p, c, out))) {
                return 0;
            }
            if (*p++ != end) return 0;
        }
    }
    return 1;
}

static int gather(const char *block, Py_ssize_t rows, Column *c)
{
    const uint32_t *offsets = (const uint32_t *)c->out;
    if (!(c->texts = PyBytes_FromStringAndSize(NULL, offsets[rows]))) return 0;
    char *to = PyBytes_AsString(c->texts);
    for (Py_ssize_t row = 0; row < rows; row++)
        memcpy(to + offsets[row], block + c->starts[row], offsets[row + 1] - offsets[row]);
    return 1;
}

static int prepare(Column *c, Py_ssize_t rows)
{
    int is_text = c->kind == 's', width = width_of(c->kind);
    c->values = PyBytes_FromStringAndSize(NULL, (rows + is_text) * width);
    if (!c->values) return 0;
    c->out = PyBytes_AsString(c->values);
    if (!is_text) return 1;
    memset(c->out, 0, 4);
    if (!(c->starts = malloc((size_t)rows * 4))) return PyErr_NoMemory() != NULL;
    return 1;
}

static PyObject *buffers(const Column *c, Py_ssize_t rows)
{
    if (c->texts && c->valid)
        return Py_BuildValue("(y#OO)", c->valid, (rows + 7) / 8, c->values, c->texts);
    if (c->texts) return Py_BuildValue("(OOO)", Py_None, c->values, c->texts);
    if (c->valid) return Py_BuildValue("(y#O)", c->valid, (rows + 7) / 8, c->values);
    return Py_BuildValue("(OO)", Py_None, c->values);
}

static PyObject *all_buffers(const Column *columns, Py_ssize_t count, Py_ssize_t rows)
{
    PyObject *list = PyList_New(count);
    for (Py_ssize_t i = 0; list && i < count; i++) {
        PyObject *item = buffers(&columns[i], rows);
        if (!item || PyList_SetItem(list, i, item) < 0) Py_CLEAR(list);
    }
    return list;
}

static Py_ssize_t count_lines(const char *p, Py_ssize_t length)
{
    const char *end = p + length;
    Py_ssize_t rows = 0;
    while (p < end && (p = memchr(p, '\n', (size_t)(end - p)))) p++, rows++;
    return rows;
}

static PyObject *decode_block(
    const char *block, Py_ssize_t length, Column *columns, Py_ssize_t count)
{
    Py_ssize_t rows = count_lines(block, length);
    int ordinary;
    for (Py_ssize_t i = 0; i < count; i++)
        if (!prepare(&columns[i], rows)) return NULL;
    Py_BEGIN_ALLOW_THREADS
    ordinary = scan(block, rows, columns, count);
    Py_END_ALLOW_THREADS
    if (!ordinary) Py_RETURN_NONE;
    for (Py_ssize_t i = 0; i < count; i++)
        if (columns[i].kind == 's' && !gather(block, rows, &columns[i])) return NULL;
    PyObject *made = all_buffers(columns, count, rows);
    return made ? Py_BuildValue("(nN)", rows, made) : NULL;
}

/* 1 where a block is UTF-8, which nearly always is ASCII; -1 on an error. */
static int is_utf8(const char *block, Py_ssize_t length)
{
    Py_ssize_t i = 0;
    uint64_t word, high = 0;
    for (; i + 8 <= length; i += 8) memcpy(&word, block + i, 8), high |= word;
    for (; i < length; i++) high |= (unsigned char)block[i];
    if (!(high & UINT64_C(0x8080808080808080))) return 1;
    PyObject *text = PyUnicode_DecodeUTF8(block, length, NULL);
    Py_XDECREF(text);
    if (text) return 1;
    if (!PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) return -1;
    PyErr_Clear();
    return 0;
}

static PyObject *decode_columns(const Py_buffer *lines, const char *kinds,
                                const char *precisions, const char *scales, Py_ssize_t count)
{
    const char *block = lines->buf;
    Py_ssize_t length = lines->len;
    if (!length || block[length - 1] != '\n' || length > INT32_MAX) Py_RETURN_NONE;
    int readable = is_utf8(block, length);
    if (readable < 0) return NULL;
    if (!readable) Py_RETURN_NONE;
    Column *columns = calloc((size_t)count, sizeof(Column));
    if (!columns) return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < count; i++) {
        columns[i].kind = kinds[i];
        columns[i].precision = (unsigned char)precisions[i];
        columns[i].scale = (unsigned char)scales[i];
    }
    PyObject *made = decode_block(block, length, columns, count);
    for (Py_ssize_t i = 0; i < count; i++) {
        Py_XDECREF(columns[i].values);
        Py_XDECREF(columns[i].texts);
        free(columns[i].starts);
        free(columns[i].valid);
    }
    free(columns);
    return made;
}

static int are_known(const char *kinds, Py_ssize_t count, Py_ssize_t n_precisions,
                     Py_ssize_t n_scales)
{
    for (Py_ssize_t i = 0; i < count; i++) {
        if (width_of(kinds[i])) continue;
        PyErr_SetString(PyExc_ValueError, "unknown kind of column");
        return 0;
    }
    if (count && n_precisions == count && n_scales == count) return 1;
    PyErr_SetString(PyExc_ValueError, "each column needs a kind, a precision and a scale");
    return 0;
}

static PyObject *decode(PyObject *self, PyObject *args)
{
    (void)self;
    Py_buffer lines;
    const char *kinds, *precisions, *scales;
    Py_ssize_t count, n_precisions, n_scales;
    if (!PyArg_ParseTuple(args, "y*y#y#y#", &lines, &kinds, &count, &precisions, &n_precisions,
                          &scales, &n_scales))
        return NULL;
    PyObject *made = are_known(kinds, count, n_precisions, n_scales)
                         ? decode_columns(&lines, kinds, precisions, scales, count)
                         : NULL;
    PyBuffer_Release(&lines);
    return made;
}

static PyMethodDef methods[] = {
    {"decode", decode, METH_VARARGS,
     "decode(block, kinds, precisions, scales, /)\n--\n\n"
     "Return (rows, [(validity, values[, texts]), ...]) of whole lines, None for Arrow to read."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_lines", "Lines of a text COPY as Arrow's buffers.", 0, methods,
    NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__lines(void) { return PyModule_Create(&module); }
