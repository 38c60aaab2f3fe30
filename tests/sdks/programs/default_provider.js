// AWS SDK for JavaScript v3, by its default chain: prints the key it would sign with.
const { defaultProvider } = require('@aws-sdk/credential-provider-node');
defaultProvider()().then((found) => console.log(found.accessKeyId), (error) => { console.error(error.message); process.exit(1); });
