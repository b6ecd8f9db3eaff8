'use strict';
'require baseclass';
'require rpc';

/* Files and programs through rpcd, as far as the ACL names them. */

return baseclass.extend({
	write: rpc.declare({ object: 'file', method: 'write', params: [ 'path', 'data', 'mode' ], reject: true }),
	remove: rpc.declare({ object: 'file', method: 'remove', params: [ 'path' ], reject: true }),
	exec: rpc.declare({ object: 'file', method: 'exec', params: [ 'command', 'params' ], reject: true })
});
