/*
 * What the plugin knows of a request once it has read and checked it: for each file to generate its
 * kinds, their methods, and the messages they use, with every name that the generated code will
 * have. The printers only print. One thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_MODEL_H
#define GRI_MODEL_H

#include "clashes.h"
#include "names.h"
#include "options.h"

/* A message of any file of the request. */
typedef struct gri_message {
    const char *full_name;    /* "bank.DepositRequest" */
    const char *c_struct;     /* "Bank__DepositRequest" */
    const char *c_descriptor; /* "bank__deposit_request__descriptor" */
    const char *symbol;       /* "bank_deposit_request_type" */
    const gri_proto_message *proto;
    gri_spot spot;
} gri_message;

typedef struct gri_method {
    const char *name;      /* "Deposit" */
    const char *full_name; /* "bank.Account/Deposit" */
    uint64_t hash;
    const gri_message *request;
    const gri_message *reply;
    const gri_method_options *options;
    const char *comment;
    const char *field;    /* in the table of methods: "deposit" */
    const char *function; /* "bank_account_deposit" */
    const char *future;   /* NULL, as the next two, for a one-way method */
    const char *await;
    const char *one_way;
    const char *invoke;
    gri_spot spot;
} gri_method;

typedef struct gri_kind {
    const char *full_name; /* "bank.Account" */
    const char *wire_name; /* the same, unless an option says otherwise */
    uint64_t hash;
    const gri_grain_options *options;
    const char *comment;
    const char *prefix; /* "bank_account" */
    const char *type;   /* the same, unless that is a keyword */
    const char *table;  /* "bank_account_methods" */
    const char *list;   /* the array of gr_method */
    gri_method *methods;
    size_t methods_count;
    gri_spot spot;
} gri_kind;

/* A file to generate. */
typedef struct gri_file {
    const gri_proto_file *proto;
    const char *shown;            /* its path, fit for a comment */
    const char *stem;             /* "bank/account" of "bank/account.proto" */
    const char *guard;            /* "BANK_ACCOUNT_GRAIN_H" */
    const char *types;            /* "bank_account_grain_types" */
    const char *descriptors;      /* "bank_account_grain_descriptors" */
    const gri_message **messages; /* its own, then those of other files that its methods use */
    size_t messages_count;
    size_t own_count;
    gri_kind *kinds;
    size_t kinds_count;
} gri_file;

typedef struct gri_model {
    gri_arena *arena;
    const gri_proto_request *request;
    const gri_proto_file
        *options_file;     /* our options.proto, whatever its path; NULL: not imported */
    gri_message *messages; /* of all files, in the order of their names */
    size_t messages_count;
    gri_file *files;
    size_t files_count;
    gri_names names;
} gri_model;

/* Fills a zeroed model from a request; what is wrong is added to `trouble`, and then the model is
 * not to be printed. */
void gri_model_read(gri_model *model, gri_arena *arena, const gri_proto_request *request,
                    gri_trouble *trouble);
/* The message with this name, as descriptors spell it (".bank.Balance"), or NULL. */
const gri_message *gri_model_find(const gri_model *model, const char *type_name);
/* The file of that path, or NULL. */
const gri_proto_file *gri_model_find_file(const gri_proto_request *request, const char *path);

/* Fills the kind of a service. */
void gri_kind_read(gri_kind *kind, gri_model *model, const gri_proto_file *file, size_t index,
                   gri_trouble *trouble);

#endif
