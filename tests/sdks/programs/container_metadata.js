// The older provider of the AWS SDK for JavaScript v3, which some packages name themselves.
const { fromContainerMetadata } = require('@smithy/credential-provider-imds');
fromContainerMetadata()().then((found) => console.log(found.accessKeyId), (error) => { console.error(error.message); process.exit(1); });
