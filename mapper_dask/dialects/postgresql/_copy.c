/* Rows of a COPY taken from libpq block by block.

   psycopg2 calls back for each row, and takes and gives the interpreter's lock for it: at a million
   rows a second that costs as much as the COPY itself. It lends its connection's own pointer for
   such a purpose; libpq's functions are found by libpq.py in the library psycopg2 itself uses. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COMMAND_OK = 1, COPY_OUT = 3 }; /* ExecStatusType */

typedef struct {
    void *(*exec)(void *, const char *);
    int (*result_status)(const void *);
    void (*clear)(void *);
    int (*get_copy_data)(void *, char **, int);
    void (*freemem)(void *);
    void *(*get_result)(void *);
    char *(*error_field)(const void *, int);
    char *(*error_message)(const void *);
    char *(*cmd_tuples)(void *);
} Libpq;

#define FUNCTIONS 9

typedef struct {
    char *data;
    size_t used, room;
} Block;

static int append(Block *b, const char *data, size_t length)
{
    if (b->used + length > b->room) {
        size_t room = (b->used + length) * 2;
        char *grown = realloc(b->data, room);
        if (!grown) return 0;
        b->data = grown;
        b->room = room;
    }
    memcpy(b->data + b->used, data, length);
    b->used += length;
    return 1;
}

/* Fills a block with whole rows: 1 when it is full, -1 at the end, -2 on a broken link, 0 without
   memory. Needs no interpreter. */
static int fill(const Libpq *pq, void *conn, Block *b, size_t wanted)
{
    while (b->used < wanted) {
        char *row = NULL;
        int length = pq->get_copy_data(conn, &row, 0);
        if (length < 0) return length;
        int kept = append(b, row, (size_t)length);
        pq->freemem(row);
        if (!kept) return 0;
    }
    return 1;
}

static int write_all(int fd, const char *data, size_t length)
{
    while (length) {
        ssize_t done = write(fd, data, length);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return 0;
        data += done;
        length -= (size_t)done;
    }
    return 1;
}

/* Hands a block over, to a file descriptor or a callable; empties it. */
static int hand_over(Block *b, PyObject *sink, int fd)
{
    int done;
    if (!b->used) return 1;
    if (fd >= 0) {
        Py_BEGIN_ALLOW_THREADS
        done = write_all(fd, b->data, b->used);
        Py_END_ALLOW_THREADS
        if (!done) PyErr_SetFromErrno(PyExc_OSError);
    } else {
        PyObject *got = PyObject_CallFunction(sink, "y#", b->data, (Py_ssize_t)b->used);
        done = got != NULL;
        Py_XDECREF(got);
    }
    b->used = 0;
    return done;
}

/* (sqlstate or None, message) of a result, or of the connection where there is none. */
static PyObject *refusal(const Libpq *pq, void *conn, void *result)
{
    const char *state = result ? pq->error_field(result, 'C') : NULL;
    const char *message = result ? pq->error_field(result, 'M') : NULL;
    if (!message) message = pq->error_message(conn);
    PyObject *text = PyUnicode_DecodeUTF8(message, (Py_ssize_t)strlen(message), "replace");
    return text ? Py_BuildValue("(zN)", state, text) : NULL;
}

/* What the command's end says: rows as an int, or a refusal. */
static PyObject *outcome(const Libpq *pq, void *conn)
{
    PyObject *said = NULL;
    for (;;) {
        void *result;
        Py_BEGIN_ALLOW_THREADS
        result = pq->get_result(conn);
        Py_END_ALLOW_THREADS
        if (!result) break;
        if (!said)
            said = pq->result_status(result) == COMMAND_OK
                       ? PyLong_FromString(pq->cmd_tuples(result), NULL, 10)
                       : refusal(pq, conn, result);
        pq->clear(result);
        if (!said) return NULL;
    }
    return said ? said : refusal(pq, conn, NULL);
}

static PyObject *pump(const Libpq *pq, void *conn, PyObject *sink, int fd, size_t wanted)
{
    Block block = {0};
    PyObject *said = NULL;
    int state = 1;
    while (state == 1) {
        Py_BEGIN_ALLOW_THREADS
        state = fill(pq, conn, &block, wanted);
        Py_END_ALLOW_THREADS
        if (state == 0) PyErr_NoMemory();
        if (state == 0 || !hand_over(&block, sink, fd) || PyErr_CheckSignals()) state = -3;
    }
    if (state == -1) said = outcome(pq, conn);
    if (state == -2) said = refusal(pq, conn, NULL);
    free(block.data);
    return said;
}

static int functions_of(PyObject *addresses, Libpq *pq)
{
    void *found[FUNCTIONS];
    if (PyTuple_Size(addresses) != FUNCTIONS) {
        PyErr_SetString(PyExc_ValueError, "other functions are needed");
        return 0;
    }
    for (Py_ssize_t i = 0; i < FUNCTIONS; i++) {
        PyObject *address = PyTuple_GetItem(addresses, i);
        if (!address || !(found[i] = PyLong_AsVoidPtr(address))) {
            if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "a function is missing");
            return 0;
        }
    }
    memcpy(pq, found, sizeof found);
    return 1;
}

static PyObject *copy_out(PyObject *self, PyObject *args)
{
    PyObject *addresses, *address, *sink;
    const char *sql;
    int fd, status;
    Py_ssize_t wanted;
    Libpq pq;
    void *conn, *result;
    (void)self;
    if (!PyArg_ParseTuple(args, "O!O!yOin", &PyTuple_Type, &addresses, &PyLong_Type, &address, &sql,
                          &sink, &fd, &wanted))
        return NULL;
    if (!functions_of(addresses, &pq) || !(conn = PyLong_AsVoidPtr(address))) return NULL;
    Py_BEGIN_ALLOW_THREADS
    result = pq.exec(conn, sql);
    Py_END_ALLOW_THREADS
    status = result ? pq.result_status(result) : -1;
    if (status == COPY_OUT) {
        pq.clear(result);
        return pump(&pq, conn, sink, fd, (size_t)wanted);
    }
    PyObject *said = refusal(&pq, conn, result);
    if (result) pq.clear(result);
    return said;
}

static PyMethodDef methods[] = {
    {"copy_out", copy_out, METH_VARARGS,
     "copy_out(functions, connection, sql, sink, fd, wanted, /)\n--\n\n"
     "Return the rows copied, or (sqlstate, message) of what the database or the link refused."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_copy", "Rows of a COPY taken from libpq block by block.", 0, methods,
    NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__copy(void) { return PyModule_Create(&module); }
