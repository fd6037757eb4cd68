// An OpenID provider (npm `oidc-provider`) with two clients, on a free port of 127.0.0.1:
//
//     node provider.mjs FOLDER_WITH_NODE_MODULES
//
// It prints `serving http://127.0.0.1:PORT`. POST /control/rotate signs with a new key from then on and goes on
// publishing the old ones; POST /control/retire publishes the newest only. Ends when its standard input does.
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const module = join(process.argv[2], 'node_modules/oidc-provider/lib/index.js');
const { Provider } = await import(pathToFileURL(module));

const audience = 'urn:okgate:test';
let made = 0;
function key() {
  made += 1;
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), kid: `key-${made}`, use: 'sig', alg: 'RS256' };
}

function client(id, scope) {
  return {
    client_id: id,
    client_secret: `${id}-secret+/%`,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    scope,
  };
}

function provider(issuer, keys) {
  return new Provider(issuer, {
    clients: [client('opaque', 'read write'), client('signed', 'read'), client('gate', 'read')],
    jwks: { keys },
    scopes: ['read', 'write'],
    cookies: { keys: ['unused'] },
    ttl: { ClientCredentials: 600 },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      revocation: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => audience,
        getResourceServerInfo: (ctx, resource, { clientId }) => ({
          audience: resource,
          scope: 'read write',
          accessTokenFormat: clientId === 'signed' ? 'jwt' : 'opaque',
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
  }).callback();
}

let keys = [key()];
let issuer;
let serve;
const server = createServer((request, response) => {
  if (request.url === '/control/rotate' || request.url === '/control/retire') {
    keys = request.url.endsWith('rotate') ? [key(), ...keys] : keys.slice(0, 1);
    serve = provider(issuer, keys);
    response.end(keys[0].kid);
  } else {
    serve(request, response);
  }
});
server.listen(0, '127.0.0.1', () => {
  issuer = `http://127.0.0.1:${server.address().port}`;
  serve = provider(issuer, keys);
  process.stdout.write(`serving ${issuer}\n`);
});
process.stdin.resume().on('end', () => process.exit());
