// The company's provider of the tests: node serve.mjs FOLDER ISSUER CLIENTS. Anybody may sign in, as whoever they say.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [folder, issuer, clients] = process.argv.slice(2);
const at = createRequire(`${folder}/`).resolve('oidc-provider');
const { Provider } = await import(pathToFileURL(at));

const provider = new Provider(issuer, {
  clients: JSON.parse(clients),
  scopes: ['openid'],
  features: {
    // Access tokens are for the payment service: as JSON Web Tokens, but for people whose name says otherwise.
    resourceIndicators: {
      enabled: true,
      defaultResource: () => 'https://payments.example/',
      useGrantedResource: () => true,
      getResourceServerInfo: (ctx) => ({
        scope: 'payments:read payments:write refunds:write payments:settle metrics:read',
        audience: 'payment-service',
        accessTokenFormat: ctx.oidc.account?.accountId.startsWith('opaque') ? 'opaque' : 'jwt',
      }),
    },
  },
});
const { hostname, port } = new URL(issuer);
provider.listen(Number(port), hostname, () => console.log('ready'));
