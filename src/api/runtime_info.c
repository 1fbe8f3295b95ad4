/* SPDX-License-Identifier: Apache-2.0 */
/* The features are of the machine: what one container may have of them is said by nobody here. */
#include "api/runtime_info.h"

#include "config.h"

#include "container/machine_features.h"
#include "rpc/any.h"
#include "rpc/message.h"

#include "proto/bootstrap.pb-c.h"

int runtime_info_encode(const ProtobufCMessage *options, struct buf *out)
{
	Pb__Bootstrap__RuntimeInfo m = PB__BOOTSTRAP__RUNTIME_INFO__INIT;
	Pb__Bootstrap__RuntimeVersion version = PB__BOOTSTRAP__RUNTIME_VERSION__INIT;
	auto_done(buf) struct buf features = { 0 };
	Pb__Any any = PB__ANY__INIT;
	int r = machine_features_write(NULL, NULL, &features);

	if (r < 0)
		return r;
	version.version = (char *)REEVE_VERSION;
	version.revision = (char *)REEVE_COMMIT;
	any.type_url = (char *)ANY_FEATURES;
	any.value = (ProtobufCBinaryData){ features.len, (uint8_t *)features.data };
	m.name = (char *)RUNTIME_INFO_NAME;
	m.version = &version;
	m.options = (Pb__Any *)(void *)options;
	m.features = &any;
	message_encode(&m.base, out);
	return buf_ok(out);
}
