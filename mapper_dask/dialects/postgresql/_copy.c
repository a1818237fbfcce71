/* Rows of a COPY taken from libpq block by block, and passed on from one COPY into another.

   psycopg2 calls back for each row, and takes and gives the interpreter's lock for it: at a million
   rows a second that costs as much as the COPY itself. It lends its connection's own pointer for
   such a purpose; libpq's functions are found by libpq.py in the library psycopg2 itself uses. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { COMMAND_OK = 1, COPY_OUT = 3, COPY_IN = 4 }; /* ExecStatusType */

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
    int (*put_copy_data)(void *, const char *, int);
    int (*put_copy_end)(void *, const char *);
    void *(*exec_params)(void *, const char *, int, const void *, const void *, const void *,
                         const void *, int);
} Libpq;

#define FUNCTIONS 12

typedef struct {
    char *data;
    size_t used, capacity;
} Block;

static int reserve(Block *b, size_t capacity)
{
    if (capacity <= b->capacity) return 1;
    char *grown = realloc(b->data, capacity);
    if (!grown) return 0;
    b->data = grown;
    b->capacity = capacity;
    return 1;
}

static int append(Block *b, const char *data, size_t length)
{
    size_t needed = b->used + length;
    if (needed > b->capacity && !reserve(b, needed * 2)) return 0;
    memcpy(b->data + b->used, data, length);
    b->used += length;
    return 1;
}

/* Fills a block with whole rows: 1 when it is full, -1 at the end, -2 on a broken link, 0 without
   memory. Needs no interpreter. */
static int fill(const Libpq *pq, void *conn, Block *b, size_t wanted)
{
    if (!reserve(b, wanted + wanted / 8)) return 0; /* at once: growing would leave holes behind */
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

/* Shows a block to a callable, without a copy: it may not be looked at afterwards. What it raises
   holds on to its view, which is released, too; memory that is looked at still is never freed. */
static int show(Block *b, PyObject *sink)
{
    PyObject *type, *value, *trace;
    PyObject *view = PyMemoryView_FromMemory(b->data, (Py_ssize_t)b->used, PyBUF_READ);
    PyObject *got = view ? PyObject_CallFunctionObjArgs(sink, view, NULL) : NULL;
    PyErr_Fetch(&type, &value, &trace);
    PyObject *released = view ? PyObject_CallMethod(view, "release", NULL) : NULL;
    int done = got && released;
    if (view && !released) memset(b, 0, sizeof *b);
    if (type) PyErr_Restore(type, value, trace);
    Py_XDECREF(released);
    Py_XDECREF(got);
    Py_XDECREF(view);
    return done;
}

/* (sqlstate, message, hint, context) of a result, or of the connection where there is none. */
static PyObject *refusal(const Libpq *pq, void *conn, void *result)
{
    static const char fields[] = "CMHW";
    PyObject *said = PyTuple_New(4);
    for (int i = 0; said && i < 4; i++) {
        const char *text = result ? pq->error_field(result, fields[i]) : NULL;
        if (!text && fields[i] == 'M') text = pq->error_message(conn);
        PyObject *field = text ? PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace")
                               : Py_NewRef(Py_None);
        if (!field || PyTuple_SetItem(said, i, field) < 0) Py_CLEAR(said);
    }
    return said;
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

static PyObject *pump(const Libpq *pq, void *conn, PyObject *sink, size_t wanted)
{
    Block block = {0};
    PyObject *said = NULL;
    int state = 1;
    while (state == 1) {
        Py_BEGIN_ALLOW_THREADS
        state = fill(pq, conn, &block, wanted);
        Py_END_ALLOW_THREADS
        if (state == 0) PyErr_NoMemory();
        if (state == 0 || (block.used && !show(&block, sink)) || PyErr_CheckSignals()) state = -3;
        block.used = 0;
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

/* Begins a COPY: NULL when it has begun (or on an error of ours), else what was refused.
   What is read holds the user's text. It goes by the extended protocol, in which the server takes
   one statement and no more. */
static PyObject *begin(const Libpq *pq, void *conn, const char *sql, int wanted)
{
    void *result;
    Py_BEGIN_ALLOW_THREADS
    result = wanted == COPY_OUT ? pq->exec_params(conn, sql, 0, NULL, NULL, NULL, NULL, 0)
                                : pq->exec(conn, sql);
    Py_END_ALLOW_THREADS
    int begun = result && pq->result_status(result) == wanted;
    PyObject *said = begun ? NULL : refusal(pq, conn, result);
    if (result) pq->clear(result);
    return said;
}

static PyObject *copy_out(PyObject *self, PyObject *args)
{
    PyObject *addresses, *address, *sink;
    const char *sql;
    Py_ssize_t wanted;
    Libpq pq;
    void *conn;
    (void)self;
    if (!PyArg_ParseTuple(args, "O!O!yOn", &PyTuple_Type, &addresses, &PyLong_Type, &address, &sql,
                          &sink, &wanted))
        return NULL;
    if (!functions_of(addresses, &pq) || !(conn = PyLong_AsVoidPtr(address))) return NULL;
    PyObject *refused = begin(&pq, conn, sql, COPY_OUT);
    if (refused || PyErr_Occurred()) return refused;
    return pump(&pq, conn, sink, (size_t)wanted);
}

typedef struct {
    const Libpq *pq;
    void *source, *target;
    size_t wanted;
} Route;

/* Passes rows on until the source has no more: -1 then, -2 where its link broke, -3 on an error of
   ours. The target reports what it refuses at its end; until then it reads on. */
static int pass_on(const Route *r)
{
    Block block = {0};
    int state = 1;
    while (state == 1) {
        int sent = 1;
        Py_BEGIN_ALLOW_THREADS
        state = fill(r->pq, r->source, &block, r->wanted);
        if (block.used) sent = r->pq->put_copy_data(r->target, block.data, (int)block.used);
        Py_END_ALLOW_THREADS
        block.used = 0;
        if (state == 0) PyErr_NoMemory();
        if (state == 0 || PyErr_CheckSignals()) state = -3;
        if (sent != 1) break;
    }
    free(block.data);
    return state;
}

static PyObject *end_in(const Route *r, const char *why)
{
    Py_BEGIN_ALLOW_THREADS
    r->pq->put_copy_end(r->target, why);
    Py_END_ALLOW_THREADS
    return outcome(r->pq, r->target);
}

static PyObject *relayed(const Route *r)
{
    int state = pass_on(r);
    if (state == -3) return NULL;
    /* Where the link to the target broke its end says so; the source is left in its midst. */
    PyObject *read = state == -1   ? outcome(r->pq, r->source)
                     : state == -2 ? refusal(r->pq, r->source, NULL)
                                   : Py_NewRef(Py_None);
    if (!read) return NULL;
    PyObject *loaded = end_in(r, PyTuple_Check(read) ? "the source failed" : NULL);
    return loaded ? Py_BuildValue("(NN)", read, loaded) : (Py_DECREF(read), NULL);
}

static PyObject *relay(PyObject *self, PyObject *args)
{
    PyObject *addresses, *from, *to;
    const char *out, *in;
    Py_ssize_t wanted;
    Libpq pq;
    (void)self;
    if (!PyArg_ParseTuple(args, "O!O!O!yyn", &PyTuple_Type, &addresses, &PyLong_Type, &from,
                          &PyLong_Type, &to, &out, &in, &wanted))
        return NULL;
    if (!functions_of(addresses, &pq)) return NULL;
    Route route = {&pq, PyLong_AsVoidPtr(from), PyLong_AsVoidPtr(to), (size_t)wanted};
    if (PyErr_Occurred()) return NULL;
    PyObject *refused = begin(&pq, route.target, in, COPY_IN);
    if (refused) return Py_BuildValue("(ON)", Py_None, refused);
    if (PyErr_Occurred()) return NULL;
    refused = begin(&pq, route.source, out, COPY_OUT);
    if (refused) return Py_BuildValue("(NO)", refused, Py_None);
    return PyErr_Occurred() ? NULL : relayed(&route);
}

static PyMethodDef methods[] = {
    {"copy_out", copy_out, METH_VARARGS,
     "copy_out(functions, connection, sql, sink, fd, wanted, /)\n--\n\n"
     "Return the rows copied, or (sqlstate, message, hint, context) of what was refused."},
    {"relay", relay, METH_VARARGS,
     "relay(functions, source, target, out, into, wanted, /)\n--\n\n"
     "Return what came of each side: its rows, what it refused, or None where it was not asked."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_copy", "Rows of a COPY taken from libpq block by block.", 0, methods,
    NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__copy(void) { return PyModule_Create(&module); }
