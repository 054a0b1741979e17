/*
 * Error codes and the detail that goes with them. The codes cross the wire: new ones are appended,
 * none is renumbered. The detail of the last failure of a thread is kept in that thread and copied
 * by value wherever it has to travel.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRANARY_ERROR_H
#define GRANARY_ERROR_H

#include <granary/api.h>

GR_BEGIN_DECLS

#define GR_ERRORS(X)                                                                               \
    X(GR_OK, 0, "no error")                                                                        \
    X(GR_EINVAL, 1, "invalid argument")                                                            \
    X(GR_ENOMEM, 2, "out of memory")                                                               \
    X(GR_EDEAD, 3, "the actor has stopped")                                                        \
    X(GR_EFULL, 4, "the mailbox is full")                                                          \
    X(GR_ETIMEDOUT, 5, "no answer in time")                                                        \
    X(GR_ECANCELLED, 6, "cancelled")                                                               \
    X(GR_EEXIST, 7, "the name is taken")                                                           \
    X(GR_ENOTFOUND, 8, "not found")                                                                \
    X(GR_ESTOPPED, 9, "stopping")                                                                  \
    X(GR_ERESTARTED, 10, "the actor was restarted")                                                \
    X(GR_EPROTO, 11, "the peer broke the protocol")                                                \
    X(GR_EDECODE, 12, "the bytes do not decode")                                                   \
    X(GR_ETOOBIG, 13, "too large")                                                                 \
    X(GR_EREFUSED, 14, "refused")                                                                  \
    X(GR_EUNREACHABLE, 15, "the peer cannot be reached")                                           \
    X(GR_ENODELOST, 16, "the node is lost")                                                        \
    X(GR_EUNKNOWN, 17, "sent but not answered: it may have run")                                   \
    X(GR_ENOTRUN, 18, "it did not run")                                                            \
    X(GR_EBUSY, 19, "overloaded, try again later")                                                 \
    X(GR_EDEADLOCK, 20, "the call would wait for itself")                                          \
    X(GR_ENOKIND, 21, "unknown kind")                                                              \
    X(GR_ENOMETHOD, 22, "unknown method")                                                          \
    X(GR_EFAILED, 23, "the handler failed")                                                        \
    X(GR_EIO, 24, "input or output failed")                                                        \
    X(GR_ECONFLICT, 25, "somebody else changed it first")                                          \
    X(GR_ENOTYPE, 26, "unknown message type")                                                      \
    X(GR_EMISMATCH, 27, "the two sides do not agree")

/** What a call ended with. Codes from GR_EAPP up to GR_EAPP_LAST are free for applications:
 * `(gr_err)(GR_EAPP + 1)`. */
typedef enum gr_err {
#define GR_ERROR_ENUM(name, number, text) name = number,
    GR_ERRORS(GR_ERROR_ENUM)
#undef GR_ERROR_ENUM
        GR_EAPP = 1000,
    GR_EAPP_LAST = 0x3fffffff,
    /** Set in what a handler returns: the actor itself has failed and its supervisor decides. See
       gr_fatal(). */
    GR_FATAL = 0x40000000
} gr_err;

enum { GR_ERROR_TEXT_BYTES = 240 };

/** Plain bytes, copied freely. `file` is a string literal or NULL when the error came from another
 * process. */
typedef struct gr_error {
    gr_err code;
    int line;
    const char *file;
    char text[GR_ERROR_TEXT_BYTES];
} gr_error;

/**
 * The name of a code, such as "GR_EDEAD".
 *
 * Owns:    borrowed: a constant; "GR_EAPP+7" and the like, of the application's own codes, until the
 *          fourth call after it in this thread.
 * Errors:  none; "GR_E?" for numbers that are no code.
 * Thread:  any.
 * Units:   none.
 */
GR_API const char *gr_err_name(gr_err code);

/**
 * A code in words, such as "the actor has stopped".
 *
 * Owns:    borrowed: a constant.
 * Errors:  none.
 * Thread:  any.
 * Units:   none.
 */
GR_API const char *gr_err_text(gr_err code);

/**
 * The detail of this thread's last failure.
 *
 * Owns:    borrowed: valid until this thread's next gr_ call; copy the struct to keep it. A handler begins
 *          without one, and has none left of before a wait.
 * Errors:  none; code GR_OK when nothing has failed yet.
 * Thread:  any; each has its own.
 * Units:   none.
 */
GR_API const gr_error *gr_last_error(void);

/**
 * Sets this thread's last failure and returns `code`. Use the macro gr_fail(), which adds the
 * place.
 *
 * Owns:    copies the text, cut to GR_ERROR_TEXT_BYTES.
 * Errors:  returns `code`; GR_EINVAL for GR_OK, which is no failure.
 * Thread:  any.
 * Units:   none.
 */
GR_API gr_err gr_error_set(gr_err code, const char *file, int line, const char *format, ...)
    GR_PRINTF(4, 5);

/** Fails with a code and a sentence: `return gr_fail(GR_EINVAL, "a deposit must be positive, got
 * %d", cents);`. */
#define gr_fail(code, ...) gr_error_set((code), __FILE__, __LINE__, __VA_ARGS__)

/** Like gr_fail(), but the actor itself has failed: its supervisor decides what becomes of it. */
#define gr_fatal(code, ...) ((gr_err)((unsigned)gr_fail((code), __VA_ARGS__) | (unsigned)GR_FATAL))

GR_END_DECLS
#endif
