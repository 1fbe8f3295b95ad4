/* SPDX-License-Identifier: Apache-2.0 */
/* Decides how messages and failures become the bytes and texts of an answer; which bytes go where
 * is the door's business. */
#include "rpc/service.h"

#include <errno.h>

#include "base/str.h"

void rpc_reply(struct rpc_door *d, struct rpc_addr to, enum status_code code, const char *text,
	const void *payload, size_t size)
{
	d->reply(d, to, code, text ? text : "", payload, size);
}

void rpc_reply_message(struct rpc_door *d, struct rpc_addr to, const ProtobufCMessage *payload)
{
	auto_done(buf) struct buf bytes = { 0 };

	message_encode(payload, &bytes);
	if (buf_ok(&bytes) == 0)
		rpc_reply(d, to, RPC_OK, NULL, bytes.data, bytes.len);
	else
		rpc_reply(d, to, RPC_RESOURCE_EXHAUSTED, "out of memory", NULL, 0);
}

void rpc_reply_err(struct rpc_door *d, struct rpc_addr to, int code, const struct err *err)
{
	enum status_code status = status_from_errno(code);
	char text[STATUS_TEXT_SIZE];

	rpc_reply(d, to, status, status_text(status, err->text, text, sizeof(text)), NULL, 0);
}

int rpc_attach(struct rpc_door *d, struct rpc_addr to, const struct rpc_call_ops *ops, void *arg)
{
	return d->attach ? d->attach(d, to, ops, arg) : -EOPNOTSUPP;
}

int rpc_send(struct rpc_door *d, struct rpc_addr to, const ProtobufCMessage *m)
{
	auto_done(buf) struct buf bytes = { 0 };

	if (!d->send)
		return -EOPNOTSUPP;
	message_encode(m, &bytes);
	return buf_ok(&bytes) < 0 ? -ENOMEM : d->send(d, to, bytes.data, bytes.len);
}

size_t rpc_unsent(struct rpc_door *d, struct rpc_addr to)
{
	return d->unsent ? d->unsent(d, to) : 0;
}

size_t rpc_unsent_messages(struct rpc_door *d, struct rpc_addr to)
{
	return d->unsent_messages ? d->unsent_messages(d, to) : 0;
}

const struct rpc_service *rpc_find_service(
	const struct rpc_service *services, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(services[i].name, name))
			return &services[i];
	return NULL;
}

const struct rpc_method *rpc_find_method(const struct rpc_service *service, const char *name)
{
	for (size_t i = 0; i < service->n_methods; i++)
		if (str_eq(service->methods[i].name, name))
			return &service->methods[i];
	return NULL;
}
