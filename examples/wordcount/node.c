/*
 * A node that hosts words. Start as many as you like:
 *
 *     wordcount-node --coordinator sqlite:words.db
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "word.grain.h"

typedef struct word {
    uint64_t count;
} word;

static gr_err add(wordcount_word *self, const Google__Protobuf__Empty *request,
                  Google__Protobuf__Empty *reply)
{
    word *me = wordcount_word_data(self);

    (void)request;
    (void)reply;
    me->count++;
    return GR_OK;
}

static gr_err read_count(wordcount_word *self, const Google__Protobuf__Empty *request,
                         Wordcount__Count *reply)
{
    const word *me = wordcount_word_data(self);

    (void)request;
    reply->count = me->count;
    reply->node = gr_grain_node(wordcount_word_grain(self));
    return GR_OK;
}

static const wordcount_word_methods methods = {
    .data_bytes = sizeof(word),
    .add = add,
    .read = read_count,
};

int main(int argc, char **argv)
{
    return gr_node_main(argc, argv, wordcount_word_kind(&methods), NULL);
}
